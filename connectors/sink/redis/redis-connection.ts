import { Redis } from 'ioredis';
import type { InsideoutError } from '../../../core/errors.ts';
import { classifyRedis, noDatabase, replyCode } from './redis-errors.ts';
import { EncodedCommand } from './redis-request.ts';
import type { Script } from './redis-scripts.ts';

const connectTimeoutMs = 5_000;
/** A server that is silent for so long while it owes an answer is taken for dead. */
const silenceMs = 20_000;
const longestPauseMs = 2_000;

/**
 * One connection that is made again for as long as it takes. A command that meets no connection, or loses it,
 * fails at once with `STORE_UNREACHABLE` and is never sent a second time: whoever gave it tries again, and what
 * they give is idempotent. So nothing queues up while the server is away.
 */
export class RedisConnection {
  readonly #redis: Redis;
  readonly #server: string;
  /** Why this connection is not in the database of the url; the client itself would go on in database 0. */
  #unselected: unknown = null;
  /** Why there is no connection; says more than the failure of the command that met none. */
  #lost: unknown = null;

  constructor(url: string) {
    this.#redis = new Redis(url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      connectTimeout: connectTimeoutMs,
      socketTimeout: silenceMs,
      keepAlive: 10_000,
      noDelay: true,
      retryStrategy: (attempts) => Math.min(50 * 2 ** attempts, longestPauseMs),
    });
    this.#server = `${this.#redis.options.host}:${this.#redis.options.port}`;
    quieten(this.#redis);
    this.#redis.on('connect', () => {
      this.#unselected = null;
    });
    this.#redis.on('error', (error) => {
      this.#lost = error;
      if ((error as { command?: { name?: unknown } }).command?.name === 'select') this.#unselected = error;
    });
    this.#redis.on('ready', () => {
      this.#lost = null;
    });
  }

  /** Sends a command. Commands are answered in the order in which they were sent. */
  send(name: string, args: (string | number)[] = []): Promise<unknown> {
    return this.#connected(() => this.#request([name, ...args]));
  }

  /** Runs a script, whose text is sent only when the server does not know it yet. */
  run(script: Script, args: (string | number)[]): Promise<unknown> {
    return this.#connected(async () => {
      try {
        return await this.#request(['EVALSHA', script.sha, script.keys, ...args]);
      } catch (error) {
        if (replyCode(error) !== 'NOSCRIPT') throw error;
        return await this.#request(['EVAL', script.text, script.keys, ...args]);
      }
    });
  }

  async close(): Promise<void> {
    if (this.#redis.status === 'ready') await this.#redis.quit().catch(() => {});
    this.#redis.disconnect();
  }

  #request(words: [string, ...(string | number)[]]): Promise<unknown> {
    return this.#redis.sendCommand(new EncodedCommand(words)) as Promise<unknown>;
  }

  async #connected<T>(work: () => Promise<T>): Promise<T> {
    try {
      await this.#settled();
      if (this.#unselected) throw this.#noDatabase();
      return await work();
    } catch (error) {
      throw this.#classify(error);
    }
  }

  /** Waits while a connection is being made, but not for the next attempt. */
  #settled(): Promise<void> | void {
    const redis = this.#redis;
    if (redis.status === 'ready') return;
    if (redis.status === 'wait') redis.connect().catch(() => {});
    if (redis.status !== 'connecting' && redis.status !== 'connect') return;
    return new Promise((resolve) => {
      const done = () => {
        redis.off('ready', done).off('close', done).off('end', done);
        resolve();
      };
      redis.on('ready', done).on('close', done).on('end', done);
    });
  }

  #noDatabase(): unknown {
    const error = this.#unselected;
    return replyCode(error) === 'ERR' ? noDatabase(this.#server, this.#redis.options.db ?? 0, error) : error;
  }

  #classify(error: unknown): InsideoutError {
    return classifyRedis(replyCode(error) === null ? (this.#lost ?? error) : error, this.#server);
  }
}

type Callback = (error: Error | null, reply?: string) => void;

/**
 * Keeps the client from printing on stderr, among our log. It does when the account may not ask for INFO, which it
 * takes for a sign that the server has loaded its data, and when the server asks for no password though there is
 * one; it goes on in both cases, as it does now without a word.
 */
function quieten(redis: Redis): void {
  const info = redis.info.bind(redis);
  const auth = redis.auth.bind(redis) as (words: unknown) => Promise<string>;
  redis.info = ((callback: Callback) => answered(info(), 'NOPERM', callback)) as unknown as typeof info;
  redis.auth = ((words: unknown, callback: Callback) =>
    answered(auth(words), 'ERR', callback)) as unknown as typeof redis.auth;
}

/** Calls back with the reply, or with an empty one in place of the error that is of no matter. */
const answered = (reply: Promise<string>, noMatter: string, callback: Callback): Promise<void> =>
  reply.then(
    (text) => callback(null, text),
    (error) => (replyCode(error) === noMatter ? callback(null, '') : callback(error)),
  );
