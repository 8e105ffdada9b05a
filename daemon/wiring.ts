import { existsSync } from 'node:fs';
import type { ViewStore } from '../connectors/sink/view-store.ts';
import type { BarrierEmitter } from '../connectors/source/barriers.ts';
import type { SourceEraser } from '../connectors/source/erasure.ts';
import { postgresBarriers } from '../connectors/source/postgres/barrier-emitter.ts';
import { CaptureState, stateTopic } from '../connectors/source/postgres/capture-state.ts';
import { withClient } from '../connectors/source/postgres/connection.ts';
import { consistencyToken } from '../connectors/source/postgres/consistency-token.ts';
import { postgresEraser } from '../connectors/source/postgres/erase.ts';
import { inspect as inspectPostgres } from '../connectors/source/postgres/inspect.ts';
import type { PostgresSourceOptions } from '../connectors/source/postgres/options.ts';
import { checkDatabase } from '../connectors/source/postgres/preflight.ts';
import { recordSchemas } from '../connectors/source/postgres/record-schemas.ts';
import { dropSlot, type SlotStatus, slotStatus } from '../connectors/source/postgres/slot.ts';
import { findSlotGap } from '../connectors/source/postgres/slot-gap.ts';
import type { RecordSchemas } from '../connectors/source/record-schemas.ts';
import type { Finding, Source, StoppedTable } from '../connectors/source/source.ts';
import type { Token } from '../connectors/source/token.ts';
import { InsideoutError } from '../core/errors.ts';
import type { Log } from '../log/log.ts';
import type { CheckedConfig } from './config/check.ts';

/** From a config to the things it names: the one file that knows the concrete connectors, loaded when needed. */
export async function openLog(config: CheckedConfig): Promise<Log> {
  const { log } = config;
  if (log.kind === 'embedded')
    return (await import('../log/embedded/embedded-log.ts')).openEmbeddedLog({ path: log.path });
  return (await import('../log/kafka/kafka-log.ts')).openKafkaLog(log);
}

export async function openStore(config: CheckedConfig, name: string): Promise<ViewStore> {
  const store = config.stores[name];
  // A view of the config has a store of the config: only the catalog can name another.
  if (!store)
    throw new InsideoutError(
      'USAGE',
      `There is no store "${name}" in the config, and the catalog has generations of views in it.`,
      {
        hint: 'Put it back into `stores`, and `insideout retire <view> --force` removes each view in it that is not needed any more. If it is gone for good, `insideout retire <view> --store-gone` says so.',
      },
    );
  switch (store.kind) {
    case 'sqlite':
      return (await import('../connectors/sink/sqlite/sqlite-store.ts')).openSqliteStore(store);
    case 'redis':
      return (await import('../connectors/sink/redis/redis-store.ts')).openRedisStore(store);
    case 'cassandra':
      return (await import('../connectors/sink/cassandra/cassandra-store.ts')).openCassandraStore(store);
  }
}

/** The file of a Log or store that has not been created yet, for those who only look and must not create it. */
export function missingFile(part: { readonly kind: string; readonly path?: string }): string | null {
  return part.path !== undefined && !existsSync(part.path) ? part.path : null;
}

export type SourceHooks = Pick<
  PostgresSourceOptions,
  'onProgress' | 'onWaiting' | 'onTableStopped' | 'onStoppedTables' | 'resnapshot'
>;

export async function makeSource(
  config: CheckedConfig,
  name: string,
  parts: { log: Log; hooks: SourceHooks },
): Promise<Source> {
  const { postgresSource } = await import('../connectors/source/postgres/postgres-source.ts');
  return postgresSource({ ...sourceOptions(config, name), ...parts.hooks }, parts.log);
}

export const inspectSource = (config: CheckedConfig, name: string): Promise<Finding[]> =>
  inspectPostgres(sourceOptions(config, name));
/** By topic, the schemas of the records that the source writes, or will write from its first start on. */
export const sourceSchemas = (
  config: CheckedConfig,
  name: string,
): Promise<ReadonlyMap<string, RecordSchemas>> => recordSchemas(sourceOptions(config, name));
/** Fails with the `SOURCE_…` error that the source would be refused with if it started now, if any. */
export const checkSource = (config: CheckedConfig, name: string): Promise<void> =>
  checkDatabase(sourceOptions(config, name));
/** Fails with what the source would be refused with at its first start, by its database or the Log; null is a Log that is not there yet. */
export async function checkFirstStart(
  config: CheckedConfig,
  name: string,
  { log, resnapshot }: { readonly log: Log | null; readonly resnapshot: boolean | undefined },
): Promise<void> {
  const { checkAdmission } = await import('../connectors/source/postgres/admission.ts');
  await checkAdmission({ ...sourceOptions(config, name), resnapshot }, log);
}
/** A topic that is there once a source has begun. */
export const sourceTopic = stateTopic;
export const sourceSlot = (config: CheckedConfig, name: string): Promise<SlotStatus> =>
  slotStatus(sourceOptions(config, name));
export const dropSourceSlot = (config: CheckedConfig, name: string): Promise<boolean> =>
  dropSlot(sourceOptions(config, name));

/** Why changes are missing between what the Log holds, or would if it were there, and where the slot begins; null when none are. */
export const sourceGap = (
  config: CheckedConfig,
  name: string,
  log: Log | null,
): Promise<InsideoutError | null> => findSlotGap(sourceOptions(config, name), log);

/** Tables of a source of which nothing is captured until an operator acts, as the Log has it. */
export const stoppedTables = async (name: string, log: Log): Promise<StoppedTable[]> =>
  (await CaptureState.read(log, name)).stopped;

/** Erases subjects in the source's database. */
export const sourceEraser = (config: CheckedConfig, name: string): SourceEraser =>
  postgresEraser(sourceOptions(config, name));

/** Writes barriers into the source's database. */
export const sourceBarriers = (config: CheckedConfig, name: string): BarrierEmitter =>
  postgresBarriers(sourceOptions(config, name));

/** The token of all that is committed now. */
export const sourceToken = (config: CheckedConfig, name: string): Promise<Token> =>
  withClient(sourceOptions(config, name), 'asking for the position', (client) =>
    consistencyToken(client, name),
  );

function sourceOptions(config: CheckedConfig, name: string): PostgresSourceOptions {
  const source = config.sources[name];
  if (!source) throw unknown('source', name, Object.keys(config.sources));
  const { kind: _kind, ...options } = source;
  return { name, ...options };
}

function unknown(what: string, name: string, known: readonly string[]): InsideoutError {
  return new InsideoutError('USAGE', `There is no ${what} "${name}" in the config.`, {
    hint: known.length > 0 ? `Known: ${known.join(', ')}.` : `Add it to the config.`,
  });
}
