import { setTimeout as wait } from 'node:timers/promises';
import type { Generation } from '../../connectors/sink/view-store.ts';
import { InsideoutError } from '../../core/errors.ts';
import { type Offset, type PartitionKey, partitionKey } from '../../core/position.ts';
import type { Row } from '../../core/value.ts';
import type { Key, ViewChange } from '../../core/view.ts';
import type { Log, RecordBatch } from '../../log/log.ts';
import type { ViewDefinition } from '../view-definition.ts';
import { condemnsRecord, Decoder } from './decoder.ts';
import type { EffectMarks } from './effect-marks.ts';
import type { ViewObserver } from './observer.ts';
import { pieces } from './pieces.ts';
import { type Backoff, isAbort, untilItWorks } from './retry.ts';

/** A change of a view, told to the outside. `position` is the same whenever it is told again. */
export type ViewEffect = {
  readonly position: { readonly topic: string; readonly partition: number; readonly offset: Offset };
} & (
  | { readonly op: 'upsert'; readonly key: Key; readonly row: Row }
  | { readonly op: 'delete'; readonly key: Key }
  /** Every row that came from this partition is deleted. */
  | { readonly op: 'truncate' }
);

export interface RunEffectsOptions {
  readonly view: ViewDefinition;
  /** The generation that readers see. */
  readonly generation: Generation;
  readonly input: string;
  readonly log: Log;
  readonly marks: EffectMarks;
  readonly group: string;
  readonly signal: AbortSignal;
  readonly observe: Pick<ViewObserver, 'retrying' | 'recovered'>;
  readonly backoff?: Backoff;
}

/**
 * Tells a view's changes to the outside until the signal aborts: after readers can see them, in the order of each
 * key, each at least once. How far that got belongs to the view and not to one of its generations, so what a
 * rebuild goes through again is told to nobody; the next generation goes on where this one stopped. A function
 * that throws is called again with the same changes, with growing waits; the view itself does not wait for it.
 */
export async function runEffects(options: RunEffectsOptions): Promise<void> {
  const { view, input, log, marks, group, signal } = options;
  const { effects } = view;
  if (!effects) return;
  const decoder = new Decoder(view, log.schemas);
  try {
    const request = {
      group,
      topics: [input],
      from: async (topic: string, partition: number) => {
        const key = partitionKey(topic, partition);
        const mark = await untilItWorks(() => marks.read(key), options);
        if (mark !== null) return mark;
        const next = effects.from === 'start' ? 0 : ((await log.offsets([topic])).get(key)?.end ?? 0);
        await marks.move(key, next);
        return next;
      },
      signal,
    };
    for await (const batch of log.consume(request))
      for (const piece of pieces(batch)) {
        const changes = await decode(piece, decoder, options);
        await visible(partitionKey(piece.topic, piece.partition), piece.next, options);
        if (changes.length > 0)
          await untilItWorks(() => tell(effects.run, changes, view.shape.name), options);
        await untilItWorks(() => marks.move(partitionKey(piece.topic, piece.partition), piece.next), options);
      }
  } catch (error) {
    if (!isAbort(error, signal)) throw error;
  }
}

async function decode(
  batch: RecordBatch,
  decoder: Decoder,
  options: RunEffectsOptions,
): Promise<ViewEffect[]> {
  const told: ViewEffect[] = [];
  const { topic, partition } = batch;
  for (const record of batch.records) {
    try {
      if (!decoder.ready(record)) await untilItWorks(() => decoder.prepare(record, options.signal), options);
      told.push(effectOf(decoder.decode(record), topic, partition));
    } catch (error) {
      // It is among the dead letters, and in no view.
      if (!condemnsRecord(error)) throw error;
    }
  }
  return told;
}

function effectOf(change: ViewChange, topic: string, partition: number): ViewEffect {
  const { offset, ...rest } = change;
  return { position: { topic, partition, offset }, ...rest };
}

const pollMs = 20;

async function visible(key: PartitionKey, next: Offset, options: RunEffectsOptions): Promise<void> {
  const { generation, signal } = options;
  for (;;) {
    const checkpoint = await untilItWorks(() => generation.checkpoint(), options);
    if ((checkpoint.get(key) ?? 0) >= next) return;
    await wait(pollMs, undefined, { signal });
  }
}

async function tell(
  run: (changes: readonly ViewEffect[]) => void | Promise<void>,
  changes: readonly ViewEffect[],
  view: string,
): Promise<void> {
  try {
    await run(changes);
  } catch (error) {
    throw new InsideoutError('EFFECT_FAILED', `The effects function of the view "${view}" threw.`, {
      hint: 'It is called again with the same changes; see why with LOG_LEVEL=debug.',
      cause: error,
    });
  }
}
