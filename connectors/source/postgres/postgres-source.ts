import type pg from 'pg';
import type { Log } from '../../../log/log.ts';
import type { ChangeStream, Source } from '../source.ts';
import { CaptureState } from './capture-state.ts';
import type { CatalogTable } from './catalog.ts';
import { PostgresChangeStream } from './change-stream.ts';
import { quoteIdent, withClient } from './connection.ts';
import { defaultPartitions, type PostgresSourceOptions } from './options.ts';
import { createPublication, preflight } from './preflight.ts';
import { type CreatedSlot, createSlot, readSlot, slotLost } from './slot.ts';
import { qualifiedName, Tables } from './tables.ts';

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
}

async function open(options: PostgresSourceOptions, log: Log, signal: AbortSignal): Promise<ChangeStream> {
  const state = await CaptureState.load(log, options.name);
  const start = await withClient(options, 'checking the database', (client) =>
    prepare(client, options, state),
  );
  const tables = new Tables(
    { source: options.name, partitions: options.partitions ?? defaultPartitions },
    log,
  );
  return new PostgresChangeStream({ options, log, state, start, tables, signal });
}

async function prepare(
  client: pg.Client,
  options: PostgresSourceOptions,
  state: CaptureState,
): Promise<Start> {
  const { tables, create } = await preflight(client, options);
  const slot = await readSlot(client, options.slot);
  if (!slot.exists && state.begun && !options.resnapshot) throw slotLost(options.slot, 'missing');
  if (slot.walStatus === 'lost') throw slotLost(options.slot, 'invalidated');
  if (create) await createPublication(client, options);
  let created: CreatedSlot | null = null;
  if (!slot.exists) {
    try {
      created = await createSlot(options);
    } catch (error) {
      if (create) await client.query(`DROP PUBLICATION ${quoteIdent(options.publication)}`);
      throw error;
    }
  }
  const again = created !== null && state.begun;
  const missed = tables.filter((t) => again || state.get(qualifiedName(t)) === 'stopped');
  const truncateFirst = new Set(missed.map(qualifiedName));
  if (options.snapshot === 'never') {
    await state.set(tables.map(qualifiedName), 'done');
    return { snapshot: [], truncateFirst: new Set(), created };
  }
  const snapshot = tables.filter((t) => again || state.get(qualifiedName(t)) !== 'done');
  return { snapshot, truncateFirst, created };
}
