import type { GenerationId, ViewShape } from '../../../core/view.ts';
import { dropsActive, shapeText, wrongShape } from '../store-errors.ts';
import type { Generation, Promotion, ViewStore } from '../view-store.ts';
import { RedisConnection } from './redis-connection.ts';
import { escapePattern, RedisGeneration } from './redis-generation.ts';
import { RedisKeys } from './redis-keys.ts';
import { promoteScript } from './redis-scripts.ts';

export interface RedisStoreOptions {
  /** `redis://user:password@host:port/db`. Never logged. */
  readonly url: string;
  /** Put before every key. Default none. */
  readonly prefix?: string | undefined;
}

/** Views in Redis: a string for each row under `<view>:{g<generation>}:<key>`. */
export async function openRedisStore(options: RedisStoreOptions): Promise<ViewStore> {
  const redis = new RedisConnection(options.url);
  try {
    await redis.connect();
  } catch (error) {
    await redis.close();
    throw error;
  }
  return new RedisStore(redis, new RedisKeys(options.prefix ?? ''));
}

class RedisStore implements ViewStore {
  readonly #redis: RedisConnection;
  readonly #keys: RedisKeys;

  constructor(redis: RedisConnection, keys: RedisKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  async open(view: ViewShape, id: GenerationId): Promise<Generation> {
    const catalog = this.#keys.generations(view.name);
    await this.#redis.call((r) => r.hsetnx(catalog, String(id), shapeText(view)));
    const shape = await this.#redis.call((r) => r.hget(catalog, String(id)));
    if (shape !== shapeText(view)) throw wrongShape(view, id);
    return new RedisGeneration({ redis: this.#redis, keys: this.#keys, view, id });
  }

  async generations(view: string): Promise<GenerationId[]> {
    const ids = await this.#redis.call((r) => r.hkeys(this.#keys.generations(view)));
    return ids.map(Number).sort((a, b) => a - b);
  }

  async active(view: string): Promise<GenerationId | null> {
    const id = await this.#redis.call((r) => r.hget(this.#keys.active, view));
    return id === null ? null : Number(id);
  }

  async promote(moves: readonly Promotion[]): Promise<boolean> {
    const args = moves.flatMap((m) => [m.view.name, m.from === null ? '' : String(m.from), String(m.to)]);
    return (await this.#redis.script(promoteScript, [this.#keys.active], args)) === 1;
  }

  async drop(view: string, id: GenerationId): Promise<void> {
    if ((await this.active(view)) === id) throw dropsActive(view, id);
    const pattern = `${escapePattern(this.#keys.rowPrefix(view, id))}*`;
    let cursor = '0';
    do {
      const [next, keys] = await this.#redis.call((r) => r.scan(cursor, 'MATCH', pattern, 'COUNT', 1_000));
      if (keys.length > 0) await this.#redis.call((r) => r.unlink(...keys));
      cursor = next;
    } while (cursor !== '0');
    await this.#redis.call((r) => r.unlink(this.#keys.checkpoints(view, id)));
    // The catalog entry last: until it is gone, a crash leaves something that can be found and dropped again.
    await this.#redis.call((r) => r.hdel(this.#keys.generations(view), String(id)));
  }

  async ping(): Promise<void> {
    await this.#redis.call((r) => r.ping());
  }

  close(): Promise<void> {
    return this.#redis.close();
  }
}
