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

/** What the Log has of a source, and where its topics are made; null is a Log that is not there yet. */
export type Holding = (Held & { readonly topics: Tables }) | null;

/**
 * Refuses a source before anything is made for it: what the database, the Log or the registry would refuse of its first
 * start is asked of them, and what a slot that exists would leave out of this Log. Errors: `SOURCE_…`, `LOG_…`,
 * `SCHEMA_…`.
 */
export async function admit(
  client: pg.Client,
  options: PostgresSourceOptions,
  held: Holding,
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
  { log, topics }: NonNullable<Holding>,
): Promise<void> {
  // One after the other: what still asks a Log that is closed after a refusal would never let it go.
  await checkRegistry(log.schemas);
  await topics.checkTopics(tables, [
    stateTopicSpec(source),
    watermarkTopicSpec(source),
    barriersTopicSpec(source),
  ]);
}

/** The same, asked from outside. */
export async function checkAdmission(options: PostgresSourceOptions, log: Log | null): Promise<void> {
  const held = log && {
    log,
    state: await CaptureState.read(log, options.name),
    watermark: await Watermark.read(log, options.name),
    topics: new Tables(options, log),
  };
  await withClient(options, 'checking the database', (client) => admit(client, options, held));
}
