import { Redis } from 'ioredis';
import { classifyRedis } from './redis-errors.ts';
import { scriptHash } from './redis-keys.ts';

/**
 * A connection that comes back by itself. Commands fail at once while it is down, because the apply loop waits
 * and tries again; a queue in here would only grow.
 */
export class RedisConnection {
  readonly #redis: Redis;
  readonly #where: string;
  #lastError: unknown = null;

  constructor(url: string) {
    this.#where = new URL(url).host;
    this.#redis = new Redis(url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      connectTimeout: 5_000,
      retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 2_000),
    });
    this.#redis.on('error', (error) => {
      this.#lastError = error;
    });
  }

  /** Waits for the first connection. */
  async connect(): Promise<void> {
    await this.call(async () => {
      if (this.#redis.status === 'wait') await this.#redis.connect();
    });
    await this.call((r) => r.ping());
  }

  async call<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    try {
      return await work(this.#redis);
    } catch (error) {
      throw classifyRedis(this.#redis.status === 'ready' ? error : (this.#lastError ?? error), this.#where);
    }
  }

  /** Runs a script by its hash, sending its text only when Redis does not have it. */
  script(script: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.call(async (r) => {
      try {
        return await r.evalsha(scriptHash(script), keys.length, ...keys, ...args);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return r.eval(script, keys.length, ...keys, ...args);
      }
    });
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}
