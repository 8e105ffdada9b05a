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
type Holding = (Held & { readonly topics: Tables }) | null;

/**
 * Refuses a source before anything is made for it: what the database or the Log would refuse of its first start is asked
 * of them, and what a slot that exists would leave out of this Log. Errors: `SOURCE_…`, `LOG_…`.
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
    if (held) await held.topics.checkTopics(tables, ownTopics(options.name));
  }
  return { tables, create, slot };
}

const ownTopics = (source: string) => [
  stateTopicSpec(source),
  watermarkTopicSpec(source),
  barriersTopicSpec(source),
];

/** The same, asked from outside: of the registry as well, which who starts asks by registering its first schema. */
export async function checkAdmission(options: PostgresSourceOptions, log: Log | null): Promise<void> {
  const held = log && {
    log,
    state: await CaptureState.read(log, options.name),
    watermark: await Watermark.read(log, options.name),
    topics: new Tables(options, log),
  };
  const { slot } = await withClient(options, 'checking the database', (client) =>
    admit(client, options, held),
  );
  if (log && !slot.exists) await checkRegistry(log.schemas);
}
