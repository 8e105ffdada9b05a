import { expect, onTestFinished, test } from 'vitest';
import { InsideoutError } from '../../core/errors.ts';
import { KeyHasher } from '../../deletes/key-hash.ts';
import { lookAtTopic } from '../../deletes/look-log.ts';
import type { TopicToLookAt } from '../../deletes/record-traces.ts';
import { type Target, targetOf } from '../../deletes/target.ts';
import { Tracer } from '../../deletes/tracer.ts';
import { placeOf } from '../../deletes/verdict.ts';
import type { LogRecord } from '../../log/log.ts';
import { deadLetterTopic, writeDeadLetters } from '../../materializer/apply/dead-letters.ts';
import { customersTopic, topic } from '../materializer/customers.ts';
import { temporaryLog } from '../support/capture.ts';
import { folded, requested } from './happenings.ts';

const hasher = new KeyHasher(Buffer.from('secret'));
const { erasure } = folded(requested('e'));
const point = { lsn: '0/64', micros: '100' };
const owner = { topic, column: 'id', through: null, hashes: [hasher.key(topic, { id: 7 })] };
const target: Target = {
  ...targetOf(erasure!, { telling: ['only.7@example.org'], texts: new Map() }),
  keys: new Map([[topic, new Set(owner.hashes)]]),
  owners: [{ ...owner, point, former: false }],
  point,
};
const tracer = new Tracer(hasher, [target]);
const someone = { name: 'N', visits: 1 };
/** A record of the nth moment. */
const at = (n: number, op: string, record: LogRecord): LogRecord => ({
  ...record,
  headers: { op, lsn: `0/${n.toString(16)}`, ts: String(n) },
});

/** The table of customers with these records, and letters of them; what is said of either. */
async function lettered() {
  const log = await temporaryLog();
  onTestFinished(() => log.close());
  const customers = await customersTopic(log, 2);
  const { signal } = new AbortController();
  const look = async (kind: TopicToLookAt['kind'], name: string, origin?: string) => {
    const place: TopicToLookAt = { kind, topic: name, origin: topic, key: {}, whole: kind !== 'view topic' };
    const of = origin
      ? await lookAtTopic(log, { ...place, kind: 'topic', topic: origin, whole: true }, { tracer, signal })
      : undefined;
    const found = await lookAtTopic(log, place, { tracer, signal, origin: of });
    return [placeOf(found, 'e', tracer).state, found.doubts.unclaimed.get('e') ?? 0];
  };
  let offset = 0;
  return {
    log,
    ...customers,
    look,
    letters: () => look('dead letters', deadLetterTopic(topic)),
    setAside: (...records: LogRecord[]) =>
      writeDeadLetters(
        log,
        records.map(({ key, value, headers = {} }) => ({
          topic,
          partition: 0,
          record: { offset: offset++, key, value, headers, timestamp: 1 },
          view: 'card',
          stage: 'convert' as const,
          error: new InsideoutError('RECORD_UNCONVERTIBLE', 'It threw.', { hint: 'Mend it.' }),
          attempts: 1,
        })),
      ),
  };
}

test('a letter tells nothing of the subject when a row of its own table has had the id that it tells', async () => {
  const { log, upsert, setAside, letters } = await lettered();
  await log.append([
    at(10, 'c', upsert(8, someone)),
    at(20, 'u', upsert(9, someone)),
    at(5, 'r', upsert(10, someone)),
  ]);
  await setAside(
    at(10, 'c', upsert(8, someone)),
    at(15, 'u', upsert(9, someone)),
    at(4, 'u', upsert(10, someone)),
  );
  expect(await letters()).toEqual(['verified', 0]);
});

test.each<[string, (shop: Awaited<ReturnType<typeof lettered>>) => readonly LogRecord[]]>([
  ['nobody has', () => []],
  ['was deleted', ({ upsert, remove }) => [at(1, 'c', upsert(8, someone)), at(30, 'd', remove(8))]],
  ['a TRUNCATE deleted', ({ upsert, truncate }) => [at(1, 'c', upsert(8, someone)), ...truncate()]],
  ['somebody got later', ({ upsert }) => [at(20, 'c', upsert(8, someone))]],
])(
  'a letter may be of before the subject’s id was changed when it tells an id that %s',
  async (_, records) => {
    const of = await lettered();
    const { log, upsert, remove, setAside, letters } = of;
    await log.append(records(of));
    await setAside(at(10, 'u', upsert(8, someone)));
    expect(await letters()).toEqual(['unverifiable', 1]);
    // Of a delete the key tells it.
    await setAside(at(11, 'd', remove(8)));
    expect(await letters()).toEqual(['unverifiable', 2]);
  },
);

test('what is of behind the erasure was never the subject’s', async () => {
  const { upsert, setAside, letters } = await lettered();
  await setAside(at(101, 'u', upsert(8, someone)));
  expect(await letters()).toEqual(['verified', 0]);
});

test('records that a TRUNCATE left may be of before the id was changed, in the topic and in view topics that come from it', async () => {
  const { log, upsert, truncate, look } = await lettered();
  await log.ensureTopics([{ name: 'v', partitions: 2, cleanup: 'compact' }]);
  const records = [at(10, 'c', upsert(8, someone)), ...truncate(), at(20, 'c', upsert(9, someone))];
  await log.append(records);
  await log.append(records.map((record) => ({ ...record, topic: 'v' })));
  expect(await look('topic', topic)).toEqual(['unverifiable', 1]);
  expect(await look('view topic', 'v', topic)).toEqual(['unverifiable', 1]);
});
