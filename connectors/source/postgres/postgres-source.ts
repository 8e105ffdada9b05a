import type pg from 'pg';
import type { Lsn } from '../../../core/lsn.ts';
import type { Log } from '../../../log/log.ts';
import type { ChangeStream, Source } from '../source.ts';
import { admit, askRegistry, type Holding } from './admission.ts';
import { CaptureState } from './capture-state.ts';
import type { CatalogTable } from './catalog.ts';
import { PostgresChangeStream } from './change-stream.ts';
import { quoteIdent, withClient } from './connection.ts';
import type { PostgresSourceOptions } from './options.ts';
import { prepareAhead } from './prepare-ahead.ts';
import { createPublication } from './publication.ts';
import { type CreatedSlot, createSlot, currentLsn } from './slot.ts';
import type { Held } from './slot-gap.ts';
import { qualifiedName, Tables, topicsAtOnce } from './tables.ts';
import { Watermark } from './watermark.ts';

/** A Postgres database as a source: snapshot first for what the Log does not hold yet, then every change. */
export function postgresSource(options: PostgresSourceOptions, log: Log): Source {
  return { name: options.name, open: (signal) => open(options, log, signal) };
}

/** How the stream begins: which tables are read first, and at which snapshot. */
export interface Start {
  readonly snapshot: readonly CatalogTable[];
  /** Tables whose earlier rows must go first, because changes of them were missed. */
  readonly truncateFirst: ReadonlySet<string>;
  readonly created: CreatedSlot | null;
  /** Before the tables were looked at. */
  readonly lookedAt: Lsn;
}

async function open(options: PostgresSourceOptions, log: Log, signal: AbortSignal): Promise<ChangeStream> {
  const [state, watermark] = await Promise.all([
    CaptureState.read(log, options.name),
    Watermark.read(log, options.name),
  ]);
  const tables = new Tables(options, log);
  const registry = watermark.written ? null : askRegistry(log);
  try {
    const start = await withClient(options, 'checking the database', (client) =>
      prepare(client, options, { state, watermark, log, topics: tables, registry }),
    );
    return new PostgresChangeStream({ options, log, state, watermark, start, tables, signal });
  } catch (error) {
    await tables.close();
    throw error;
  }
}

async function prepare(client: pg.Client, options: PostgresSourceOptions, held: Holding): Promise<Start> {
  const { state, watermark, topics } = held;
  const lookedAt = await currentLsn(client);
  const { tables, create, slot } = await admit(client, options, held);
  const anew = !slot.exists || watermark.lsn === null;
  // Of many tables only the first topics are waited for; the others come while tables are read.
  const creating = topics.ensureTopics(tables);
  creating.catch(() => {});
  // At once: the broker takes a tenth of a second for each. And before there is a slot, which would keep WAL until they
  // are there.
  await Promise.all([
    begin(held, anew),
    topics.ensureTopics(tables.slice(0, topicsAtOnce)),
    firstSchemas(client, tables, held),
  ]);
  if (create) await createPublication(client, options);
  let created: CreatedSlot | null = null;
  if (!slot.exists) {
    try {
      created = await createSlot(options, client);
    } catch (error) {
      if (create) await client.query(`DROP PUBLICATION ${quoteIdent(options.publication)}`);
      throw error;
    }
  }
  const names = tables.map(qualifiedName);
  // What is not captured any more needs no mend.
  const dropped = state.stopped.map((t) => t.table).filter((name) => !names.includes(name));
  const unknown = names.filter((name) => state.get(name) === null);
  try {
    await state.set(dropped, 'stopped');
    if (anew) await watermark.set(created?.consistentLsn ?? slot.confirmedLsn ?? 0n);
    if (options.snapshot === 'never') {
      // The first change of a table may be long in coming.
      await creating;
      await state.done(new Map(unknown.map((name) => [name, null])));
    }
  } catch (error) {
    await created?.release().catch(() => {});
    throw error;
  }
  return {
    snapshot: tables.filter((t) => state.get(qualifiedName(t)) !== 'done'),
    truncateFirst: new Set(names.filter((name) => state.get(name) === 'stopped')),
    created,
    lookedAt,
  };
}

/**
 * Resolves when the registry has taken a schema. Of tables that are yet to be read those come first, and others are
 * asked for as well: their rows would wait for them.
 */
async function firstSchemas(
  client: pg.Client,
  tables: readonly CatalogTable[],
  { state, topics }: Held & { readonly topics: Tables },
): Promise<unknown> {
  const due = tables.filter((t) => state.get(qualifiedName(t)) !== 'done');
  if (due.length === 0) return topics.truncateSchemaId();
  const connected = async () => client;
  await topics.loadTypes(due, connected);
  return prepareAhead(due, (table) => topics.prepare(table, connected))(0);
}

/**
 * What the Log has of tables is older than a new slot: rows that were deleted in between are still in it. That there
 * will be a slot is written down before there is one, or it would look like that of another Log after a crash.
 */
async function begin({ state, watermark }: Held, anew: boolean): Promise<void> {
  await Promise.all([state.ensureTopic(), watermark.ensureTopic()]);
  if (!anew) return;
  await state.set(state.tables, 'stopped');
  if (!watermark.written || watermark.lsn !== null) await watermark.set(null);
}
