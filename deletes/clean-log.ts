import { AnyReader } from '../log/avro/any-reader.ts';
import { deadLettersOf, readDeadLetters, removeDeadLetters } from '../materializer/apply/dead-letters.ts';
import { buryErased } from './bury.ts';
import { type LookParts, topicsToLookAt } from './look.ts';
import { isTrace, type TopicToLookAt, tracesIn } from './record-traces.ts';
import type { Target } from './target.ts';
import { Tracer } from './tracer.ts';

export interface CleanParts extends Pick<LookParts, 'log' | 'catalog' | 'hasher' | 'signal'> {
  /** Erasures whose rows are buried where they are back. */
  readonly bury: ReadonlySet<string>;
}

/**
 * Dead letters of erased rows are removed, rows that are back buried, and older records compacted away: when it
 * resolves, what is still a trace in the Log nobody can remove from here. Errors: those of the Log.
 */
export async function cleanLog(
  targets: readonly Target[],
  { log, catalog, hasher, bury, signal }: CleanParts,
): Promise<void> {
  const tracer = new Tracer(hasher, targets);
  const topics = await topicsToLookAt(tracer.topics, { log, catalog });
  for (const place of topics) await removeLetters(place, { log, tracer, signal });
  if (bury.size > 0) {
    const rows = topics.filter((t) => t.kind !== 'dead letters');
    const buried = targets.filter(({ erasure }) => bury.has(erasure));
    await buryErased(log, rows, { tracer: new Tracer(hasher, buried), signal });
  }
  // Others have topics that are not compacted; what becomes of their records is told by the look.
  await log.compact([...(await log.tombstoneRetention(topics.map((t) => t.topic))).keys()], { signal });
}

async function removeLetters(
  place: TopicToLookAt,
  { log, tracer, signal }: Pick<CleanParts, 'log' | 'signal'> & { readonly tracer: Tracer },
): Promise<void> {
  const topic = deadLettersOf(place.topic);
  if (place.kind !== 'dead letters' || topic === null) return;
  const reader = new AnyReader(log.schemas);
  const doomed = [];
  for (const letter of await readDeadLetters(log, topic, { signal }))
    if (isTrace(await tracesIn(letter, { reader, place, tracer }))) doomed.push(letter);
  if (doomed.length > 0) await removeDeadLetters(log, doomed, { signal });
}
