import type pg from 'pg';
import { InsideoutError, toInsideoutError } from '../../../core/errors.ts';
import type { Lsn } from '../../../core/lsn.ts';
import type { Log, LogRecord } from '../../../log/log.ts';
import type { ChangeStream, SourceBatch } from '../source.ts';
import { Acker } from './acker.ts';
import type { CaptureState, TableKeys } from './capture-state.ts';
import { type CatalogTable, lockUnlessRewritten, namedTables, publishedTables } from './catalog.ts';
import { Confirmations } from './confirmations.ts';
import { attempt, connect } from './connection.ts';
import { buryFormerRows } from './former-rows.ts';
import { Heartbeat } from './heartbeat.ts';
import { MessageReader } from './message-reader.ts';
import type { PostgresSourceOptions } from './options.ts';
import { originOf } from './origin.ts';
import { classifyPostgres } from './pg-errors.ts';
import type { Relation } from './pgoutput.ts';
import type { Start } from './postgres-source.ts';
import { prepareAhead } from './prepare-ahead.ts';
import { RecordBatch } from './record-batch.ts';
import { type CreatedSlot, currentLsn, readSlot } from './slot.ts';
import { beginSnapshot, readTable, serverMicros } from './snapshot.ts';
import { type PreparedTable, qualifiedName, type Tables } from './tables.ts';
import type { Watermark } from './watermark.ts';

export interface ChangeStreamParts {
  readonly options: PostgresSourceOptions;
  readonly log: Log;
  readonly state: CaptureState;
  readonly watermark: Watermark;
  readonly start: Start;
  readonly tables: Tables;
  readonly signal: AbortSignal;
}

interface Reading {
  readonly due: readonly CatalogTable[];
  readonly created: CreatedSlot | null;
  readonly lookedAt: Lsn;
  readonly complete: Map<string, TableKeys>;
}

/** The source's stream: the snapshots that are due, then the slot's changes. */
export class PostgresChangeStream implements ChangeStream {
  readonly #parts: ChangeStreamParts;
  #acker: Acker | null = null;
  #confirmations: Confirmations | null = null;
  #reader: MessageReader | null = null;
  #lookups: pg.Client | null = null;
  #heartbeat: Heartbeat | null = null;
  /** Resolved when the pump acknowledged that the snapshots are durable. */
  #snapshotDurable: (() => void) | null = null;
  /** Why tables were stopped: until they are read again nothing of them is written, whatever becomes of them. */
  readonly #stopped = new Map<string, InsideoutError>();

  constructor(parts: ChangeStreamParts) {
    this.#parts = parts;
  }

  acknowledge(lsn: Lsn): void {
    this.#acker?.acknowledge(lsn);
    this.#confirmations?.appended();
    this.#snapshotDurable?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SourceBatch> {
    const { options, start, signal } = this.#parts;
    this.#tellStopped();
    try {
      if (start.snapshot.length > 0) yield* this.#snapshot();
      await start.created?.release();
      if (signal.aborted) return;
      yield* this.#changes();
    } catch (error) {
      if (signal.aborted) return;
      throw classifyPostgres(error, attempt(options, 'streaming changes'));
    }
  }

  async close(): Promise<void> {
    this.#heartbeat?.stop();
    await this.#parts.start.created?.release().catch(() => {});
    await this.#parts.tables.close();
    if (this.#acker) await this.#confirmations?.end(this.#acker.confirmed);
    await this.#reader?.close();
    await this.#lookups?.end().catch(() => {});
    this.#lookups = null;
  }

  async *#snapshot(): AsyncGenerator<SourceBatch> {
    const { options, start, state, signal } = this.#parts;
    await state.set(
      start.snapshot.filter((t) => state.get(qualifiedName(t)) === null).map(qualifiedName),
      'snapshot',
    );
    const complete = new Map<string, TableKeys>();
    let { created, lookedAt } = start;
    let due = start.snapshot;
    const client = await connect(options, 'reading the snapshot');
    try {
      while (due.length > 0) {
        const rewritten = yield* this.#read(client, { due, created, lookedAt, complete });
        if (signal.aborted) return;
        lookedAt = await currentLsn(client);
        const published = rewritten.size > 0 ? await publishedTables(client, options.publication) : [];
        due = published.filter((t) => rewritten.has(qualifiedName(t)));
        created = null;
      }
    } finally {
      await client.end().catch(() => {});
    }
    const durable = new Promise<void>((resolve) => {
      this.#snapshotDurable = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    // The slot still stands where the stream begins: this acknowledges the snapshot, and moves nothing.
    yield { ...mid([]), lsn: start.created?.consistentLsn ?? 0n };
    await durable;
    this.#snapshotDurable = null;
    // Aborted, the acknowledgement may never have come: then the snapshot is taken again.
    if (!signal.aborted) await state.done(complete);
  }

  /** Reads tables at one snapshot. Returns those that were written anew since they were looked at: it has no rows of them. */
  async *#read(
    client: pg.Client,
    { due, created, lookedAt, complete }: Reading,
  ): AsyncGenerator<SourceBatch, ReadonlySet<string>> {
    const { options, log, start, tables, signal } = this.#parts;
    const rewritten = new Set<string>();
    const lsn = await beginSnapshot(client, created);
    const origin = originOf({ lsn, xid: null, micros: await serverMicros(client) });
    const connected = async () => client;
    await tables.loadTypes(due, connected);
    const prepared = prepareAhead(due, (catalog) => tables.prepare(catalog, connected));
    const batch = new RecordBatch();
    for (const [turn, catalog] of due.entries()) {
      const preparing = prepared(turn);
      if (!(await lockUnlessRewritten(client, catalog))) {
        rewritten.add(qualifiedName(catalog));
        continue;
      }
      const table = await preparing;
      if (table.stopped) {
        await this.#stop(table);
        continue;
      }
      await this.#accepted(table);
      if (start.truncateFirst.has(qualifiedName(table))) {
        batch.truncate(table, await tables.truncateSchemaId(), origin);
        yield mid(batch.take());
        for await (const tombstones of buryFormerRows(log, table, { origin, signal })) yield mid(tombstones);
      }
      const { onProgress } = options;
      for await (const records of readTable({ client, catalog, table, origin, batch, onProgress })) {
        if (signal.aborted) return rewritten;
        yield mid(records);
      }
      complete.set(qualifiedName(table), { keyShape: table.keyShape, since: lookedAt });
    }
    await client.query('commit');
    return rewritten;
  }

  async *#changes(): AsyncGenerator<SourceBatch> {
    const { options, signal, watermark } = this.#parts;
    const slot = await readSlot(await this.#client(), options.slot);
    const acker = new Acker(slot.confirmedLsn ?? 0n);
    this.#acker = acker;
    const confirmations = new Confirmations({
      watermark: watermark.lsn ?? 0n,
      write: (lsn) => watermark.set(lsn),
      failed: (error) => reader.fail(toInsideoutError(error)),
      now: () => performance.now(),
    });
    this.#confirmations = confirmations;
    const reader = new MessageReader(options, acker, {
      confirmed: () => confirmations.upTo(acker.confirmed),
      prepare: (relation, commitLsn) => this.#define(relation, commitLsn),
      lookup: () => this.#client(),
    });
    this.#reader = reader;
    if (options.heartbeatMs) this.#heartbeat = new Heartbeat(options.heartbeatMs, () => this.#client());
    yield* reader.batches(signal);
  }

  async #define(
    relation: Relation,
    commitLsn: Lsn,
  ): Promise<{ table: PreparedTable; truncateSchemaId: number }> {
    const { tables } = this.#parts;
    const keys = relation.replicaIdentity === 'f' ? await this.#primaryKey(relation) : null;
    const columns = relation.columns.map((c) => ({
      name: c.name,
      typeOid: c.typeOid,
      typmod: c.typmod,
      key: keys ? keys.has(c.name) : c.identity,
    }));
    const prepared = await tables.prepare({ schema: relation.schema, table: relation.table, columns }, () =>
      this.#client(),
    );
    const table = await this.#admit(prepared, commitLsn);
    return { table, truncateSchemaId: await tables.truncateSchemaId() };
  }

  /** Stops a table whose changes would not meet its rows in the Log. */
  async #admit(table: PreparedTable, commitLsn: Lsn): Promise<PreparedTable> {
    const { state } = this.#parts;
    const name = qualifiedName(table);
    const stopped = this.#stopped.get(name) ?? table.stopped;
    if (stopped) return this.#stop({ ...table, stopped });
    const { keyShape } = table;
    const held = state.keys(name);
    if (!held) await state.done(new Map([[name, { keyShape, since: commitLsn }]]));
    else if (held.keyShape !== keyShape) {
      const changed = { ...table, stopped: keysChanged(table) };
      // Before the table was read with the keys that it has now: these changes are in what was read.
      return commitLsn < held.since ? changed : this.#stop(changed);
    }
    return table;
  }

  async #primaryKey(relation: Relation): Promise<Set<string>> {
    const [table] = await namedTables(await this.#client(), [qualifiedName(relation)]);
    return new Set(table?.columns.filter((c) => c.key).map((c) => c.name) ?? []);
  }

  /** Remembered before any later change is acknowledged, so that the table is read again once it may go on. */
  async #stop(table: PreparedTable): Promise<PreparedTable> {
    const name = qualifiedName(table);
    if (table.stopped && !this.#stopped.has(name)) {
      await this.#parts.state.refuse(name, table.stopped);
      this.#stopped.set(name, table.stopped);
      this.#tellStopped();
      this.#parts.options.onTableStopped?.(name, table.stopped);
    }
    return table;
  }

  /** A table that was stopped, and is read now. */
  async #accepted(table: PreparedTable): Promise<void> {
    const { state } = this.#parts;
    const name = qualifiedName(table);
    if (!state.stopped.some((t) => t.table === name)) return;
    await state.set([name], 'stopped');
    this.#tellStopped();
  }

  #tellStopped(): void {
    const { options, state } = this.#parts;
    options.onStoppedTables?.(state.stopped);
  }

  async #client(): Promise<pg.Client> {
    this.#lookups ??= await connect(this.#parts.options, 'looking up a table');
    return this.#lookups;
  }
}

const keysChanged = (table: PreparedTable): InsideoutError =>
  new InsideoutError(
    'SCHEMA_INCOMPATIBLE',
    `The key of ${qualifiedName(table)} has other columns or types now, so changes would not meet the rows that the Log has.`,
    { hint: 'Start the source again: the table is read again, and its earlier rows go first.' },
  );

const mid = (records: LogRecord[]): SourceBatch => ({
  records,
  lsn: null,
  committedAt: null,
  barriers: [],
});
