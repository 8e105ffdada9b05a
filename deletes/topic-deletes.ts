import { randomUUID } from 'node:crypto';
import { InsideoutError } from '../core/errors.ts';
import { partitionOf } from '../core/partition.ts';
import type { Offset, PartitionKey } from '../core/position.ts';
import type { Row } from '../core/value.ts';
import { AnyReader } from '../log/avro/any-reader.ts';
import { schemaIdOf } from '../log/avro/wire-format.ts';
import type { Log } from '../log/log.ts';
import { readToEnd } from '../log/read-to-end.ts';
import { deadLettersOf } from '../materializer/apply/dead-letters.ts';
import { isOfViewTopic } from '../materializer/generations/names.ts';
import { accepted } from './accepted.ts';
import type { Erasure, Journal } from './journal.ts';
import type { KeyHasher } from './key-hash.ts';
import { type GivenKey, type KeyForm, keyForm } from './topic-key.ts';

/** One key to delete from a topic that no source of ours writes. */
export interface TopicDelete {
  /** Becomes the erasure's id; doing it again under the same id changes nothing. */
  readonly id: string;
  readonly key: GivenKey;
  /** Through what it came, for the journal: a token's name, never the token. */
  readonly via?: string | undefined;
}

export interface TopicDeleteParts {
  readonly log: Log;
  readonly journal: Journal;
  readonly hasher: KeyHasher;
  readonly namespace: string;
  /** Names of the sources: what they write is deleted where it comes from. */
  readonly sources: readonly string[];
  readonly signal: AbortSignal;
}

export const newDelete = (key: GivenKey, via?: string): TopicDelete => ({ id: randomUUID(), key, via });

/**
 * Deletes keys from a topic: a tombstone behind every record that has the key, under the bytes and in the partition
 * where it was found, and where the key's hash would put it, should there be none. Reads the topic once, however
 * many keys there are. Each becomes an erasure of kind `topic`, of which the journal keeps hashes only; when this
 * resolves the tombstones are durable. Whoever was interrupted goes on by `recoverTopicDeletes`.
 *
 * Errors, before anything is deleted: `USAGE` for a topic that is not deleted from in this way, and for a key that
 * does not fit the topic's; `LOG_TOPIC` for one that does not exist.
 */
export async function deleteKeys(
  topic: string,
  deletes: readonly TopicDelete[],
  parts: TopicDeleteParts,
): Promise<Erasure[]> {
  const { log, journal } = parts;
  refuseOwnTopics(topic, parts);
  const known = (await journal.refresh()).erasures;
  for (const { id } of deletes) {
    const other = known.get(id);
    if (other && (other.kind !== 'topic' || other.subject !== topic))
      throw new InsideoutError('USAGE', 'The id of a delete is that of another erasure.', {
        hint: 'Give each delete a UUID of its own.',
      });
  }
  const fresh = deletes.filter(({ id }) => !passed(known.get(id)));
  if (fresh.length > 0) {
    const wanted = fresh.map((of) => new WantedKey(of));
    const forms = await scan(topic, wanted, parts);
    const partitions = (await log.partitions([topic])).get(topic) ?? 1;
    for (const key of wanted)
      if (key.hashes.size === 0)
        throw new InsideoutError('USAGE', `A key does not fit the keys of ${topic}.`, { hint: mend(forms) });
    for (const key of wanted) {
      const erasure = journal.state.erasures.get(key.of.id);
      const hashes = [...key.hashes];
      if (!erasure)
        await journal.record({
          type: 'requested',
          erasure: key.of.id,
          subject: topic,
          subjectHash: hashes[0]!,
          kind: 'topic',
          source: null,
          deletes: true,
          ...(key.of.via === undefined ? {} : { via: key.of.via }),
        });
      if (!erasure || erasure.phase === 'requested')
        await journal.record({
          type: 'found',
          erasure: key.of.id,
          rows: [{ table: topic, topic, hashes, overwritten: 0 }],
        });
    }
    const places = wanted.flatMap((key) => key.places(partitions));
    await bury(topic, places, { parts, erasures: fresh.map((f) => f.id) });
  }
  return deletes.map(({ id }) => journal.state.erasures.get(id)!);
}

/**
 * Goes on with erasures of kind `topic` whose process was interrupted before its tombstones were durable. The keys
 * are not known any more, but the topic's records tell which have the hashes.
 */
export async function recoverTopicDeletes(
  erasures: readonly Erasure[],
  parts: Omit<TopicDeleteParts, 'namespace' | 'sources'>,
): Promise<void> {
  const left = erasures.filter((e) => e.kind === 'topic' && !passed(e));
  for (const topic of new Set(left.map((e) => e.subject))) {
    const group = left.filter((e) => e.subject === topic);
    const hashes = new Set(group.flatMap((e) => [e.subjectHash, ...e.keys.flatMap((k) => k.hashes)]));
    const found: Grave[] = [];
    await eachKey(topic, parts, async ({ bytes, partition, row }) => {
      if (row && hashes.has(parts.hasher.key(topic, row))) found.push({ partition, key: Buffer.from(bytes) });
    });
    for (const { id, phase, subjectHash } of group)
      if (phase === 'requested')
        await parts.journal.record({
          type: 'found',
          erasure: id,
          rows: [{ table: topic, topic, hashes: [subjectHash], overwritten: 0 }],
        });
    await bury(topic, found, { parts, erasures: group.map((e) => e.id) });
  }
}

const passed = (erasure: Erasure | undefined): boolean =>
  erasure?.phase === 'passed' || erasure?.phase === 'completed';

/** Where a tombstone goes. */
interface Grave {
  readonly partition: number;
  readonly key: Buffer;
}

class WantedKey {
  readonly of: TopicDelete;
  /** Hashes of the key as each form of the topic's keys has it; mostly one. */
  readonly hashes = new Set<string>();
  readonly #encoded: Buffer[] = [];
  readonly #found: Grave[] = [];

  constructor(of: TopicDelete) {
    this.of = of;
  }

  encoded(key: Buffer, hash: string): void {
    this.#encoded.push(key);
    this.hashes.add(hash);
  }

  found(grave: Grave): void {
    this.#found.push(grave);
  }

  places(partitions: number): Grave[] {
    const all = [
      ...this.#found,
      ...this.#encoded.map((key) => ({ partition: partitionOf(key, partitions), key })),
    ];
    return [...new Map(all.map((g) => [`${g.partition} ${g.key.toString('hex')}`, g])).values()];
  }
}

/** Learns the forms of the topic's keys as they come, and where the wanted keys are. */
async function scan(
  topic: string,
  wanted: readonly WantedKey[],
  parts: TopicDeleteParts,
): Promise<KeyForm[]> {
  const { log, hasher } = parts;
  const reader = new AnyReader(log.schemas);
  const forms: KeyForm[] = [];
  const seen = new Set<number>();
  const byHash = new Map<string, WantedKey[]>();
  await eachKey(topic, parts, async ({ bytes, partition, row }) => {
    if (!row) return;
    const id = schemaIdOf(bytes)!;
    if (!seen.has(id)) {
      seen.add(id);
      const form = keyForm(id, await log.schemas.schema(id));
      if (form) forms.push(form);
      for (const key of form ? wanted : []) {
        const encoded = form?.encode(key.of.key);
        const decoded = encoded && (await reader.read(encoded));
        if (!decoded) continue;
        const hash = hasher.key(topic, decoded);
        key.encoded(encoded, hash);
        byHash.set(hash, [...(byHash.get(hash) ?? []), key]);
      }
    }
    for (const key of byHash.get(hasher.key(topic, row)) ?? [])
      key.found({ partition, key: Buffer.from(bytes) });
  });
  return forms;
}

async function eachKey(
  topic: string,
  { log, signal }: Pick<TopicDeleteParts, 'log' | 'signal'>,
  visit: (at: { bytes: Buffer; partition: number; row: Row | null }) => Promise<void>,
): Promise<void> {
  if (!(await log.partitions([topic])).has(topic))
    throw new InsideoutError('LOG_TOPIC', `There is no topic "${topic}" in the Log.`, {
      hint: 'Correct the name; `insideout status` lists the topics of the views.',
    });
  const reader = new AnyReader(log.schemas);
  for await (const { partition, records } of readToEnd(log, [topic], { signal }))
    for (const { key } of records)
      if (key) await visit({ bytes: key, partition, row: await reader.read(key) });
}

async function bury(
  topic: string,
  graves: readonly Grave[],
  of: { parts: Pick<TopicDeleteParts, 'log' | 'journal'>; erasures: readonly string[] },
): Promise<void> {
  const { log, journal } = of.parts;
  const timestamp = Date.now();
  if (graves.length > 0)
    await log.append(graves.map((grave) => ({ topic, ...grave, value: null, timestamp })));
  const ends: Record<PartitionKey, Offset> = {};
  for (const [key, { end }] of await log.offsets([topic])) ends[key] = end;
  for (const erasure of of.erasures)
    await accepted(journal.record({ type: 'passed', erasure, barrier: null, ends }));
}

/** What is made of other things must be deleted there, or it would come back. */
function refuseOwnTopics(
  topic: string,
  { namespace, sources }: Pick<TopicDeleteParts, 'namespace' | 'sources'>,
) {
  const refuse = (why: string, hint: string) => {
    throw new InsideoutError('USAGE', `Keys of ${topic} are not deleted here: ${why}.`, { hint });
  };
  const source = sources.find((name) => topic.startsWith(`${name}.`));
  if (source !== undefined)
    refuse(
      `the source "${source}" writes them from its database`,
      'Delete the rows there, or use `insideout erase`; the tombstones follow.',
    );
  if (topic.startsWith('__') || isOfViewTopic(namespace, topic) || deadLettersOf(topic) !== null)
    refuse('insideout itself writes it', 'Delete from the topic that it is made of; the rest follows.');
}

const mend = (forms: readonly KeyForm[]): string =>
  forms.length === 0
    ? 'The topic holds no record that tells the form of its keys, an Avro record in the wire format of Confluent.'
    : `Give ${[...new Set(forms.map((f) => f.columns.join(', ')))].join(' or ')}, each as the topic's key schema has it; large numbers as text.`;
