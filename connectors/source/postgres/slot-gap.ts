import { InsideoutError } from '../../../core/errors.ts';
import { formatLsn } from '../../../core/lsn.ts';
import type { Log } from '../../../log/log.ts';
import { topicOf } from './avro-schema.ts';
import { CaptureState } from './capture-state.ts';
import { type CatalogTable, publishedTables } from './catalog.ts';
import { withClient } from './connection.ts';
import type { PostgresSourceOptions } from './options.ts';
import { readSlot, type SlotStatus, slotLost, slotStatus, slotUnknown } from './slot.ts';
import { qualifiedName } from './tables.ts';
import { Watermark } from './watermark.ts';

/** What Postgres has of a source: its slot, and the tables that are published. */
export interface Captured {
  readonly slot: SlotStatus;
  readonly tables: readonly CatalogTable[];
}

/** What the Log knows of a source. */
export interface Held {
  readonly state: CaptureState;
  readonly watermark: Watermark;
  readonly log: Log;
}

/**
 * Why changes are missing between what the Log holds and where the slot begins, or would be in another's; null when
 * none are. A Log that knows nothing of a slot that is there must not read it unasked: each change is told once, and
 * would be missing where it was told until now.
 */
export async function slotGap(
  options: PostgresSourceOptions,
  { slot, tables }: Captured,
  { state, watermark, log }: Held,
): Promise<InsideoutError | null> {
  if (!slot.exists) return state.begun && !options.resnapshot ? slotLost(options.slot, 'missing') : null;
  if (slot.walStatus === 'lost') return slotLost(options.slot, 'invalidated');
  const { confirmedLsn: confirmed } = slot;
  const { lsn } = watermark;
  if (!watermark.written && !options.resnapshot) return slotUnknown(options);
  if (lsn === null ? state.begun : confirmed !== null && confirmed > lsn)
    return changesMissing(
      options,
      `The Log holds the changes of the slot "${options.slot}" ${lsn === null ? 'up to an unknown point' : `only up to ${formatLsn(lsn)}`}, and Postgres was told that it holds them up to ${confirmed === null ? 'another' : formatLsn(confirmed)}: it was restored from an older copy, or lost records.`,
    );
  // Without a snapshot a topic begins with the first change.
  if (options.snapshot === 'never') return null;
  const topics = tables
    .filter((t) => state.get(qualifiedName(t)) === 'done')
    .map((t) => topicOf(options.name, t.schema, t.table));
  const held = await log.partitions(topics);
  const gone = topics.filter((topic) => !held.has(topic));
  return gone.length === 0
    ? null
    : changesMissing(
        options,
        `The Log has lost ${gone.join(', ')}, and the slot "${options.slot}" no longer has the changes that were in there.`,
      );
}

/** The same, asked from outside; changes nothing. Null is a Log that is not there yet. Errors: `SOURCE_…`, `LOG_…`. */
export async function findSlotGap(
  options: PostgresSourceOptions,
  log: Log | null,
): Promise<InsideoutError | null> {
  if (!log) return (await slotStatus(options)).exists ? slotUnknown(options) : null;
  // The slot first: what a running source moves meanwhile moves the watermark before it.
  const captured = await withClient(options, 'reading the state of the slot', async (client) => ({
    slot: await readSlot(client, options.slot),
    tables: await publishedTables(client, options.publication),
  }));
  const state = await CaptureState.read(log, options.name);
  return slotGap(options, captured, { state, watermark: await Watermark.read(log, options.name), log });
}

const changesMissing = ({ name }: PostgresSourceOptions, message: string): InsideoutError =>
  new InsideoutError('SOURCE_SLOT_LOST', message, {
    hint: `Put the newer Log back if there is one; else stop all processes and run \`insideout slot drop ${name}\`, then \`insideout source run ${name} --resnapshot\` to read every table again, and beside it \`insideout rebuild <view> --promote --force\` and \`insideout retire <view>\` for each view of its tables.`,
  });
