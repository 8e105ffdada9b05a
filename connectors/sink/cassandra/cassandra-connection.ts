import cassandra from 'cassandra-driver';
import { classifyCassandra } from './cassandra-errors.ts';

export interface CassandraStoreOptions {
  /** `host:port` of some nodes. */
  readonly contactPoints: readonly string[];
  readonly dataCenter: string;
  /** Created if it is missing. */
  readonly keyspace: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Of a keyspace that is created. Default 1. */
  readonly replicationFactor?: number | undefined;
}

/** Statements under way at once: enough to keep a node busy, few enough not to overload it. */
const concurrency = 128;

/** A session, with every failure classified. */
export class CassandraConnection {
  readonly keyspace: string;
  readonly #client: cassandra.Client;
  readonly #where: string;

  constructor(options: CassandraStoreOptions) {
    this.keyspace = options.keyspace;
    this.#where = options.contactPoints.join(', ');
    this.#client = new cassandra.Client({
      contactPoints: [...options.contactPoints],
      localDataCenter: options.dataCenter,
      ...(options.username === undefined
        ? {}
        : { credentials: { username: options.username, password: options.password ?? '' } }),
      queryOptions: {
        consistency: cassandra.types.consistencies.localQuorum,
        prepare: true,
        isIdempotent: true,
      },
      socketOptions: { connectTimeout: 5_000, readTimeout: 12_000 },
      policies: {
        reconnection: new cassandra.policies.reconnection.ExponentialReconnectionPolicy(100, 2_000, false),
      },
      encoding: { useUndefinedAsUnset: true },
    });
  }

  /** DDL or a single statement. */
  async run(
    query: string,
    params: readonly unknown[] = [],
    options: cassandra.QueryOptions = {},
  ): Promise<cassandra.types.ResultSet> {
    return this.#guard(() => this.#client.execute(query, [...params], options));
  }

  /** A conditional batch on one partition; true when it was applied. */
  async conditional(statements: { query: string; params: unknown[] }[]): Promise<boolean> {
    const result = await this.#guard(() =>
      this.#client.batch(statements, {
        prepare: true,
        logged: false,
        serialConsistency: cassandra.types.consistencies.localSerial,
      }),
    );
    return result.wasApplied();
  }

  /** Runs many statements with bounded concurrency; fails with the first failure, after which none is started. */
  async many(statements: readonly { query: string; params: unknown[] }[]): Promise<void> {
    let next = 0;
    const worker = async () => {
      while (next < statements.length) {
        const { query, params } = statements[next++]!;
        await this.#client.execute(query, params);
      }
    };
    await this.#guard(async () => {
      const results = await Promise.allSettled(
        Array.from({ length: Math.min(concurrency, statements.length) }, worker),
      );
      const failed = results.find((r) => r.status === 'rejected');
      if (failed) throw failed.reason;
    }, 'row');
  }

  /** Rows of a query, a page at a time. */
  async *pages(query: string, params: readonly unknown[] = []): AsyncGenerator<cassandra.types.Row[]> {
    let pageState: string | undefined;
    do {
      const state = pageState;
      const page = await this.#guard(() =>
        this.#client.execute(query, [...params], {
          fetchSize: 1_000,
          autoPage: false,
          ...(state === undefined ? {} : { pageState: state }),
        }),
      );
      yield page.rows;
      pageState = page.pageState ?? undefined;
    } while (pageState !== undefined);
  }

  async close(): Promise<void> {
    await this.#client.shutdown().catch(() => {});
  }

  async #guard<T>(work: () => Promise<T>, about: 'row' | 'schema' = 'schema'): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw classifyCassandra(error, this.#where, about);
    }
  }
}
