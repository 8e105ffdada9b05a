import { Client, policies, types } from 'cassandra-driver';
import { classifyCassandra } from './cassandra-errors.ts';
import { writeBatchesInOnePass } from './cassandra-request.ts';
import type { Statement } from './cassandra-statements.ts';

export interface CassandraOptions {
  /** `host` or `host:port`. */
  readonly contactPoints: readonly string[];
  /** The data center that is written to and read from. Every writer of a keyspace must name the same one. */
  readonly dataCenter: string;
  readonly keyspace: string;
  readonly username?: string | undefined;
  /** Never logged. */
  readonly password?: string | undefined;
  /** Copies of each row, used only when the keyspace has to be created. Default 1. */
  readonly replicationFactor?: number | undefined;
  /** Rows that travel in one request at most. Default 10. */
  readonly batchRows?: number | undefined;
  /** Their size at most, as a node counts it. Default 4,800 bytes. A larger row goes alone. */
  readonly batchBytes?: number | undefined;
  /** Tells how long the rows of views with a `ttl` have left. Default Date.now. */
  readonly now?: (() => number) | undefined;
}

/** The longest pause between two tries of the driver to reach a node again. */
const maxReconnectMs = 2_000;
const firstReconnectMs = 100;

/** What of the driver's own control connection is needed here. */
interface ControlConnection {
  _createConnection(contactPoint: string): Promise<{ closeAsync(): Promise<void> }>;
}

/**
 * Connects, or closes the connections over which the driver first asked for the nodes. It forgets one whose answer
 * does not suit it, as with a data center that does not exist, and its `shutdown` does nothing before a client is
 * connected: so it would stay open for ever, with its heartbeat.
 */
async function connectOrClose(client: Client): Promise<void> {
  const { controlConnection } = client as unknown as { controlConnection: ControlConnection };
  const create = controlConnection._createConnection;
  const opened: { closeAsync(): Promise<void> }[] = [];
  controlConnection._createConnection = async (contactPoint) => {
    const connection = await create.call(controlConnection, contactPoint);
    opened.push(connection);
    return connection;
  };
  try {
    await client.connect();
  } catch (error) {
    await Promise.all(opened.map((connection) => connection.closeAsync().catch(() => {})));
    throw error;
  } finally {
    controlConnection._createConnection = create;
  }
}

/** One driver session; every error that leaves it is ours. */
export class CassandraConnection {
  readonly where: string;
  readonly #client: Client;

  constructor(options: CassandraOptions) {
    this.where = options.contactPoints.join(', ');
    this.#client = new Client({
      contactPoints: [...options.contactPoints],
      localDataCenter: options.dataCenter,
      ...(options.username === undefined
        ? {}
        : { credentials: { username: options.username, password: options.password ?? '' } }),
      encoding: { useBigIntAsLong: true },
      policies: {
        reconnection: new policies.reconnection.ExponentialReconnectionPolicy(
          firstReconnectMs,
          maxReconnectMs,
          false,
        ),
      },
      queryOptions: {
        prepare: true,
        consistency: types.consistencies.localQuorum,
        serialConsistency: types.consistencies.serial,
      },
    });
    // The driver reports what it then also throws; without a listener an `error` event would end the process.
    this.#client.on('error', () => {});
    writeBatchesInOnePass(this.#client);
  }

  /** Once it has failed, nothing of it is left that would keep the process alive. */
  async connect(): Promise<void> {
    await this.#call(() => connectOrClose(this.#client));
  }

  /** A statement that may be sent twice: the driver repeats it on another node when one fails. */
  run(cql: string, params: readonly unknown[] = []): Promise<types.ResultSet> {
    return this.#call(() => this.runRaw(cql, params));
  }

  /** As `run`, with the driver's own error, for whoever has to tell more about it. */
  runRaw(cql: string, params: readonly unknown[]): Promise<types.ResultSet> {
    return this.#client.execute(cql, params as unknown[], { isIdempotent: true });
  }

  /** Statements as one unlogged batch, with the driver's own error; each partition's are applied together. */
  runTogether(statements: Statement[]): Promise<types.ResultSet> {
    return this.#client.batch(statements, { prepare: true, logged: false, isIdempotent: true });
  }

  /** A read of what lightweight transactions wrote, newest state guaranteed. */
  readSerial(cql: string, params: readonly unknown[]): Promise<types.ResultSet> {
    const options = { consistency: types.consistencies.serial, isIdempotent: true };
    return this.#call(() => this.#client.execute(cql, params as unknown[], options));
  }

  /** A lightweight transaction, sent once: repeated, it would meet its own effect. */
  compareAndSet(cql: string, params: readonly unknown[]): Promise<types.ResultSet> {
    return this.#call(() => this.#client.execute(cql, params as unknown[], { isIdempotent: false }));
  }

  /** Several conditional statements on one partition as one lightweight transaction. */
  compareAndSetAll(queries: Statement[]): Promise<types.ResultSet> {
    return this.#call(() =>
      this.#client.batch(queries, { prepare: true, logged: true, isIdempotent: false }),
    );
  }

  /**
   * A statement that is not prepared first. After DDL it resolves when all nodes that are up agree on the schema
   * (the driver waits up to 10 s).
   */
  async runPlain(cql: string): Promise<void> {
    await this.#call(() => this.#client.execute(cql, [], { prepare: false, isIdempotent: true }));
  }

  async *pages(cql: string, fetchSize: number): AsyncGenerator<types.Row[]> {
    let pageState: string | undefined;
    do {
      const options = { fetchSize, isIdempotent: true, ...(pageState === undefined ? {} : { pageState }) };
      const page = await this.#call(() => this.#client.execute(cql, [], options));
      if (page.rows.length > 0) yield page.rows;
      pageState = page.pageState;
    } while (pageState);
  }

  async close(): Promise<void> {
    await this.#client.shutdown().catch(() => {});
  }

  async #call<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw classifyCassandra(error, this.where);
    }
  }
}
