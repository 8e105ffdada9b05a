import { InsideoutError } from '../../../core/errors.ts';
import type { GenerationId, ViewShape } from '../../../core/view.ts';
import { dropsActive, gone, wrongShape } from '../store-errors.ts';
import type { Generation, Promotion, ViewStore } from '../view-store.ts';
import { RedisConnection } from './redis-connection.ts';
import { RedisGeneration } from './redis-generation.ts';
import { layoutOf, type Rows, rememberedShape } from './redis-layout.ts';
import { type RedisNames, redisNames } from './redis-names.ts';
import { scanSlices } from './redis-scan.ts';
import {
  checkScript,
  dropScript,
  forgetScript,
  openScript,
  promoteScript,
  unlinkScript,
  withdrawScript,
} from './redis-scripts.ts';
import { scrubRedis } from './redis-scrub.ts';

export interface RedisStoreOptions {
  /** `redis://user:password@host:port/database`, or `rediss://` for TLS. */
  readonly url: string;
  /** Put before every key. Default: nothing. */
  readonly prefix?: string | undefined;
  /** What a row of a new generation is; those that exist go on in the layout they were made with. Default `string`. */
  readonly rows?: Rows | undefined;
  /** Tells which rows have ended when they come; what ends later ends by the server's clock. Default Date.now. */
  readonly now?: (() => number) | undefined;
}

/**
 * Views in Redis (6.2 or later, not a cluster). A row is a string, `GET customer_card:{g1}:42`, or a hash,
 * `HGET customer_card:{g1}:42 name`, where `GET insideout:active:customer_card` tells the generation.
 *
 * Rows and checkpoint change in one atomic step, so they always agree. How much of it outlives a crash of the
 * server is what its own configuration says (`appendonly`, `appendfsync`): what it loses, rows and checkpoint
 * together, is applied again from the Log when the view is restarted.
 *
 * Does not wait for the server: the first command does.
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<ViewStore> {
  return new RedisStore(new RedisConnection(options.url), options);
}

class RedisStore implements ViewStore {
  readonly #redis: RedisConnection;
  readonly #names: RedisNames;
  readonly #rows: Rows;
  readonly #now: (() => number) | undefined;

  constructor(redis: RedisConnection, options: RedisStoreOptions) {
    this.#redis = redis;
    this.#names = redisNames(options.prefix ?? '');
    this.#rows = options.rows ?? 'string';
    this.#now = options.now;
  }

  async open(view: ViewShape, id: GenerationId): Promise<Generation> {
    await this.#refuseEviction(view.ttl !== undefined);
    const generations = this.#names.generations(view.name);
    const wanted = rememberedShape(view, this.#rows);
    let shape = await this.#redis.run(openScript, [generations, id, wanted]);
    if (shape === '') {
      await this.#finishDrop(view.name, id);
      shape = await this.#redis.run(openScript, [generations, id, wanted]);
    }
    return this.#generation(view, id, String(shape));
  }

  async find(view: ViewShape, id: GenerationId): Promise<Generation | null> {
    const shape = await this.#redis.send('HGET', [this.#names.generations(view.name), id]);
    return shape === null || shape === '' ? null : this.#generation(view, id, String(shape));
  }

  async generations(view: string): Promise<GenerationId[]> {
    const ids = (await this.#redis.send('HKEYS', [this.#names.generations(view)])) as string[];
    return ids.map(Number).sort((a, b) => a - b);
  }

  async active(view: string): Promise<GenerationId | null> {
    const id = await this.#redis.send('GET', [this.#names.active(view)]);
    return id === null ? null : Number(id);
  }

  async promote(moves: readonly Promotion[]): Promise<boolean> {
    if (moves.length === 0) return true;
    const keys = moves.flatMap(({ view }) => [
      this.#names.active(view.name),
      this.#names.generations(view.name),
    ]);
    const args = moves.flatMap(({ from, to }) => [from ?? '', to]);
    const reply = (await this.#redis.run(promoteScript(moves.length), [...keys, ...args])) as number;
    const missing = reply > 0 ? moves[reply - 1] : undefined;
    if (missing) throw gone(missing.view.name, missing.to);
    return reply === -1;
  }

  async withdraw(view: string, id: GenerationId): Promise<void> {
    await this.#redis.run(withdrawScript, [this.#names.active(view), id]);
  }

  async drop(view: string, id: GenerationId): Promise<void> {
    const names = this.#names;
    const keys = [
      names.active(view),
      names.generations(view),
      names.epoch(view, id),
      names.checkpoint(view, id),
    ];
    const reply = await this.#redis.run(dropScript, [...keys, id]);
    if (reply === 0) throw dropsActive(view, id);
    if (reply === 1) await this.#finishDrop(view, id);
  }

  async check(): Promise<void> {
    await this.#refuseEviction(false);
    // By itself first: an account that may only read is told so by its own code, and not by that of the script.
    await this.#redis.send('SET', [this.#names.check, '', 'PX', 1_000]);
    await this.#redis.run(checkScript, [this.#names.check]);
    await this.#redis.send('SCAN', ['0', 'COUNT', 1]);
  }

  async scrub(): Promise<string | null> {
    return scrubRedis(this.#redis);
  }

  files(): readonly string[] {
    return [];
  }

  async close(): Promise<void> {
    await this.#redis.close();
  }

  #generation(view: ViewShape, id: GenerationId, shape: string): RedisGeneration {
    const layout = layoutOf(view, shape);
    if (!layout) throw wrongShape(view, id);
    return new RedisGeneration({ redis: this.#redis, names: this.#names, view, id, layout, now: this.#now });
  }

  /** The generation is marked, so nobody writes to it; it is forgotten only when its last row is gone. */
  async #finishDrop(view: string, id: GenerationId): Promise<void> {
    const generations = this.#names.generations(view);
    for await (const names of scanSlices(this.#redis, this.#names.row(view, id)))
      if ((await this.#redis.run(unlinkScript, [generations, id, ...names])) === 0) return;
    await this.#redis.run(forgetScript, [generations, id]);
  }

  /** A server that evicts rows when memory runs out would lose them without a word. */
  async #refuseEviction(rowsExpire: boolean): Promise<void> {
    const info = (await this.#redis.send('INFO', ['memory'])) as string;
    const limit = /^maxmemory:(\d+)/m.exec(info)?.[1] ?? '0';
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction';
    if (limit === '0' || policy === 'noeviction') return;
    if (!rowsExpire && !policy.startsWith('allkeys')) return;
    throw new InsideoutError(
      'STORE_REFUSED',
      `Redis is set to evict keys when it is full (${policy}), and rows would go missing.`,
      {
        hint: rowsExpire
          ? 'Set maxmemory-policy to noeviction: the rows of a view with a ttl are keys that expire.'
          : 'Set maxmemory-policy to noeviction, or to one that evicts only keys that expire.',
      },
    );
  }
}
