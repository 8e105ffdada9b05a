import type { Socket } from 'node:net';
import type pg from 'pg';
import { LogicalReplicationService, PgoutputPlugin } from 'pg-logical-replication';
import { formatLsn, type Lsn, parseLsn } from '../../../core/lsn.ts';
import { clientConfig, quoteIdent, quoteText } from './connection.ts';
import type { PostgresSourceOptions } from './options.ts';
import { SocketRest } from './socket-rest.ts';

export interface ReplicationHandlers {
  /** One pgoutput message; the buffer is only valid during the call. */
  message(message: Buffer): void;
  /** The server has sent everything before `walEnd`. */
  keepalive(walEnd: Lsn): void;
  /** What to confirm when the server asks or the timer fires. */
  confirmed(): Lsn;
  /** The stream ended; once. Undefined when it was closed by us. */
  ended(error: unknown): void;
}

/** How often the confirmed LSN is reported when it moved, and at least reported when it did not. */
const reportMs = 100;
const keepAliveMs = 5_000;
const restMs = 2;

/**
 * The START_REPLICATION connection, with the acknowledgement in our own hands: the library's timer would
 * confirm what was merely received, and its flow control goes on after a failed handler, so neither is used.
 */
export class ReplicationStream {
  readonly #service: LogicalReplicationService;
  readonly #handlers: ReplicationHandlers;
  readonly #plugin: Plugin;
  #timer: NodeJS.Timeout | null = null;
  #reported: Lsn = 0n;
  #reportedAt = 0;
  #ended = false;
  #rest: SocketRest | null = null;

  constructor(options: PostgresSourceOptions, handlers: ReplicationHandlers) {
    this.#handlers = handlers;
    this.#service = new LogicalReplicationService(clientConfig(options), {
      acknowledge: { auto: false, timeoutSeconds: 0 },
    });
    this.#plugin = new Plugin(options.publication, (message) => {
      if (!this.#ended) handlers.message(message);
    });
    this.#service.on('heartbeat', (lsn: string, _time: number, shouldRespond: boolean) => {
      if (this.#ended) return;
      handlers.keepalive(parseLsn(lsn));
      if (shouldRespond) this.#report(true);
    });
    this.#service.on('error', (error: unknown) => this.#end(error));
  }

  /** Resolves when the server streams. */
  start(slot: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#service.once('start', () => {
        this.#timer = setInterval(() => this.#report(false), reportMs);
        const { connection } = this.#plugin;
        if (connection) this.#rest = new SocketRest(connection.stream, restMs);
        resolve();
      });
      // The position is the slot's own: 0/0 makes the server start at confirmed_flush_lsn.
      this.#service.subscribe(this.#plugin, slot, '0/00000000').then(
        () => {
          const closed = Object.assign(new Error('the server closed the stream'), { code: '57P01' });
          reject(closed);
          this.#end(closed);
        },
        (error: unknown) => {
          reject(error);
          this.#end(error);
        },
      );
    });
  }

  pause(): void {
    this.#plugin.connection?.stream.pause();
  }

  resume(): void {
    this.#plugin.connection?.stream.resume();
  }

  /**
   * Reads nothing for two milliseconds. The server sends each message by itself, and to be woken for one costs far
   * more than to read it with others.
   */
  rest(): void {
    if (!this.#ended) this.#rest?.begin();
  }

  /**
   * Reports the confirmed LSN a last time and disconnects. Postgres has the report when this resolves, unless the
   * connection is gone or the server does not answer within two seconds.
   */
  async close(): Promise<void> {
    const streams = this.#timer !== null && !this.#ended;
    if (streams) this.#report(true);
    this.#ended = true;
    if (this.#timer) clearInterval(this.#timer);
    const { connection } = this.#plugin;
    // A paused socket never sees the server's goodbye, and a stuck server must not hold the shutdown.
    this.#rest?.end();
    connection?.stream.resume();
    const deadline = setTimeout(() => connection?.stream.destroy(), 2_000);
    if (streams) await this.#plugin.end();
    await this.#service.stop().catch(() => {});
    clearTimeout(deadline);
  }

  #report(force: boolean): void {
    const lsn = this.#handlers.confirmed();
    const now = Date.now();
    if (!force && lsn === this.#reported && now - this.#reportedAt < keepAliveMs) return;
    this.#reported = lsn;
    this.#reportedAt = now;
    // The library adds one byte to what it is given (see Acker for why that byte matters).
    this.#service
      .acknowledge(formatLsn(lsn > 0n ? lsn - 1n : 0n))
      .catch((error: unknown) => this.#end(error));
  }

  #end(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#timer) clearInterval(this.#timer);
    this.#handlers.ended(error);
  }
}

/** What pg's client keeps of its connection: it has no public way to end a COPY, or to pause. */
interface Connection {
  readonly stream: Socket;
  endCopyFrom(): void;
}

/** The library's plugin with our own reading of the messages, and a hand on the connection. */
class Plugin extends PgoutputPlugin {
  readonly #publication: string;
  readonly #receive: (message: Buffer) => void;
  connection: Connection | null = null;
  #streaming: Promise<unknown> = Promise.resolve();

  constructor(publication: string, receive: (message: Buffer) => void) {
    super({ protoVersion: 1, publicationNames: [publication] });
    this.#publication = publication;
    this.#receive = receive;
  }

  override parse(message: Buffer): never {
    this.#receive(message);
    return undefined as never;
  }

  override start(client: pg.Client, slot: string, lsn: string): Promise<unknown> {
    this.connection = (client as unknown as { connection: Connection }).connection;
    this.#streaming = client.query(
      `START_REPLICATION SLOT ${quoteIdent(slot)} LOGICAL ${lsn} (proto_version '1', publication_names ${quoteText(quoteIdent(this.#publication))}, messages 'true')`,
    );
    return this.#streaming;
  }

  /**
   * Ends the COPY and waits until the server has ended it too, which it does after it has read all that was sent
   * before. Without this, pg's client tears the connection down, and a server that is just writing to it drops
   * what it had not read: the last confirmation.
   */
  async end(): Promise<void> {
    if (!this.connection) return;
    this.connection.endCopyFrom();
    await this.#streaming.catch(() => {});
  }
}
