import type { Lsn } from '../../core/lsn.ts';
import type { Log } from '../../log/log.ts';
import { Acknowledgements } from './acknowledgements.ts';
import type { Source, SourceBatch } from './source.ts';

/** What the pump tells of itself, for metrics and probes. */
export interface SourceObserver {
  appended(records: number, bytes: number): void;
  acknowledged(lsn: Lsn): void;
  /** Commit time of the newest transaction that is durable in the Log, milliseconds since 1970. */
  committedAt(ms: number): void;
  /** True once the source is open, before its snapshot is read: what it has then moves on or fails. */
  connected(active: boolean): void;
}

/** Appends that may be under way while the next batch is read; bounds memory together with the batch size. */
const maxInFlight = 3;
/** As long as they are small they may be more, as with a snapshot of many small tables: the Log takes them together. */
const maxSmallInFlight = 64;
const smallBytes = 1 << 20;
/** Before the first is durable: the Log has much to ask for it, and should not have to wait for the reading of others. */
const firstInFlight = 1;

/**
 * Moves batches from a source to the Log, acknowledges what has become durable, in order, and tells in the Log
 * which barriers were passed (topic `__insideout.<source>.barriers`). Ends without an error when the signal
 * aborts, after what was in flight is durable and acknowledged; throws the first failure otherwise, with nothing
 * acknowledged that came after it.
 */
export async function pump(options: {
  source: Source;
  log: Log;
  signal: AbortSignal;
  observe: SourceObserver;
}): Promise<void> {
  const { log, observe } = options;
  await log.recover();
  // An append that fails ends the stream, which might otherwise wait for the next change for ever.
  const failed = new AbortController();
  const stream = await options.source.open(AbortSignal.any([options.signal, failed.signal]));
  observe.connected(true);
  let failure: { error: unknown } | null = null;
  const inFlight: { readonly sent: Promise<void>; readonly bytes: number }[] = [];
  let bytesInFlight = 0;
  let begun = false;
  const room = () => {
    if (!begun) return firstInFlight;
    return bytesInFlight > smallBytes ? maxInFlight : maxSmallInFlight;
  };
  // Each append waits for the one before it, so a later batch never acknowledges an earlier one.
  let previous = Promise.resolve();
  const fail = (error: unknown) => {
    failure ??= { error };
    failed.abort();
  };
  const acknowledgements = new Acknowledgements({
    source: options.source.name,
    log,
    acknowledge: (lsn) => {
      if (failure) return;
      stream.acknowledge(lsn);
      observe.acknowledged(lsn);
    },
    failed: fail,
  });

  const send = (batch: SourceBatch, bytes: number): Promise<void> => {
    const appended = batch.records.length > 0 ? log.append(batch.records) : Promise.resolve();
    const before = previous;
    previous = (async () => {
      try {
        await Promise.all([appended, before]);
        if (failure) return;
        begun ||= batch.records.length > 0;
        acknowledgements.durable(batch);
        observe.appended(batch.records.length, bytes);
        if (batch.committedAt !== null) observe.committedAt(batch.committedAt);
      } catch (error) {
        fail(error);
      }
    })();
    return previous;
  };

  try {
    acknowledgements.begin();
    for await (const batch of stream) {
      if (failure) break;
      const bytes = byteLength(batch);
      inFlight.push({ sent: send(batch, bytes), bytes });
      bytesInFlight += bytes;
      while (inFlight.length >= room()) {
        const oldest = inFlight.shift()!;
        await oldest.sent;
        bytesInFlight -= oldest.bytes;
      }
      if (failure) break;
    }
    await Promise.all(inFlight.map(({ sent }) => sent));
    await acknowledgements.settled();
    if (failure) throw (failure as { error: unknown }).error;
  } finally {
    observe.connected(false);
    await previous;
    await acknowledgements.settled();
    await stream.close();
  }
}

function byteLength(batch: SourceBatch): number {
  let bytes = 0;
  for (const record of batch.records) bytes += record.key.length + (record.value?.length ?? 0);
  return bytes;
}
