import type pg from 'pg';
import { checkRegistry } from '../../../log/avro/check-registry.ts';
import type { Log } from '../../../log/log.ts';
import { barriersTopicSpec } from '../barriers.ts';
import { CaptureState, stateTopicSpec } from './capture-state.ts';
import type { CatalogTable } from './catalog.ts';
import { withClient } from './connection.ts';
import type { PostgresSourceOptions } from './options.ts';
import { preflight } from './preflight.ts';
import { readSlot, requireFreeSlot, type SlotStatus, slotUnknown } from './slot.ts';
import { type Held, slotGap } from './slot-gap.ts';
import { Tables } from './tables.ts';
import { Watermark, watermarkTopicSpec } from './watermark.ts';

/** What a source that was admitted finds in its database. */
export interface Admitted {
  readonly tables: readonly CatalogTable[];
  readonly slot: SlotStatus;
  /** Whether the publication is still to be created. */
  readonly create: boolean;
}

/** What the Log has of a source, and where its topics are made. */
export interface Holding extends Held {
  readonly topics: Tables;
  /** What the registry says, of a source that has not begun. */
  readonly registry: Promise<void> | null;
}

/** Registries are the slowest to answer, so this is begun before the database is asked. */
export function askRegistry(log: Log): Promise<void> {
  const answer = checkRegistry(log.schemas);
  answer.catch(() => {});
  return answer;
}

/**
 * Refuses a source before anything is made for it: what the database, the Log or the registry would refuse of its first
 * start is asked of them, and what a slot that exists would leave out of this Log. `held` is null where there is no Log
 * yet. Errors: `SOURCE_…`, `LOG_…`, `SCHEMA_…`.
 */
export async function admit(
  client: pg.Client,
  options: PostgresSourceOptions,
  held: Holding | null,
): Promise<Admitted> {
  const { tables, create } = await preflight(client, options);
  const slot = await readSlot(client, options.slot);
  if (held) {
    const gap = await slotGap(options, { slot, tables }, held);
    if (gap) throw gap;
  } else if (slot.exists && !options.resnapshot) throw slotUnknown(options);
  if (!slot.exists) {
    await requireFreeSlot(client, options);
    if (held) await admitToLog(options.name, tables, held);
  }
  return { tables, create, slot };
}

async function admitToLog(
  source: string,
  tables: readonly CatalogTable[],
  { topics, registry }: Holding,
): Promise<void> {
  const own = [stateTopicSpec(source), watermarkTopicSpec(source), barriersTopicSpec(source)];
  // At once, and to their ends: a question that nobody waits for any more would keep a refused command alive.
  const answers = await Promise.allSettled([topics.checkTopics(tables, own), registry]);
  for (const answer of answers) if (answer.status === 'rejected') throw answer.reason;
}

/** The same, asked from outside. */
export async function checkAdmission(options: PostgresSourceOptions, log: Log | null): Promise<void> {
  const held = log && {
    log,
    state: await CaptureState.read(log, options.name),
    watermark: await Watermark.read(log, options.name),
    topics: new Tables(options, log),
    registry: askRegistry(log),
  };
  await withClient(options, 'checking the database', (client) => admit(client, options, held));
}
