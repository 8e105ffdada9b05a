import { expect, onTestFinished, test } from 'vitest';
import { InsideoutError } from '../../core/errors.ts';
import { cleanLog } from '../../deletes/clean-log.ts';
import { KeyHasher } from '../../deletes/key-hash.ts';
import { lookAtTopic } from '../../deletes/look-log.ts';
import { type Target, targetOf } from '../../deletes/target.ts';
import { Tracer } from '../../deletes/tracer.ts';
import { placeOf } from '../../deletes/verdict.ts';
import { deadLetterTopic, readDeadLetters, writeDeadLetters } from '../../materializer/apply/dead-letters.ts';
import { openCatalog } from '../../materializer/generations/catalog.ts';
import { customersTopic, topic } from '../materializer/customers.ts';
import { temporaryLog } from '../support/capture.ts';
import { folded, requested } from './happenings.ts';

const hasher = new KeyHasher(Buffer.from('secret'));
const telling = 'only.7@example.org';
const undecodable = (text: string) => Buffer.from(`\x00\x7f\x7f\x7f\x7f ${text} \x01`);
const { erasure } = folded(requested('e'));
const target: Target = {
  ...targetOf(erasure!, { telling: [telling], texts: new Map() }),
  keys: new Map([[topic, new Set([hasher.key(topic, { id: 7 })])]]),
};

/** An embedded Log with dead letters of customers: one for each of these keys with each of these values. */
async function lettersOf() {
  const log = await temporaryLog();
  const catalog = await openCatalog(log, 'n');
  onTestFinished(async () => {
    await catalog.close();
    await log.close();
  });
  const customers = await customersTopic(log);
  const named = (name: string) => customers.upsert(8, { name, visits: 1 }).value;
  const keys = {
    'an erased key': customers.remove(7).key,
    'another key': customers.remove(8).key,
    'an undecodable key with the value': undecodable(telling),
    'an undecodable key': undecodable('somebody'),
    'no key': null,
  };
  const values = {
    'a row with the value': named(`for ${telling}`),
    'another row': named('somebody'),
    'undecodable bytes with the value': undecodable(telling),
    'other undecodable bytes': undecodable('somebody'),
    'a delete': null,
  };
  const names: string[] = [];
  const failed = Object.entries(keys).flatMap(([ofKey, key]) =>
    Object.entries(values).map(([ofValue, value]) => {
      const record = {
        offset: names.push(`${ofKey}, ${ofValue}`) - 1,
        key,
        value,
        headers: {},
        timestamp: 1,
      };
      const error = new InsideoutError('RECORD_UNDECODABLE', 'It cannot be decoded.', {
        hint: 'Look at it.',
      });
      return { topic, partition: 0, record, view: 'card', stage: 'decode' as const, error, attempts: 1 };
    }),
  );
  await writeDeadLetters(log, failed);
  const { signal } = new AbortController();
  const place = {
    kind: 'dead letters',
    topic: deadLetterTopic(topic),
    origin: topic,
    key: {},
    whole: true,
  } as const;
  return {
    log,
    names,
    clean: () => cleanLog([target], { log, catalog, hasher, signal, bury: new Set() }),
    async look() {
      const tracer = new Tracer(hasher, [target]);
      const look = await lookAtTopic(log, place, { tracer, signal });
      return { ...look, state: placeOf(look, 'e', tracer).state };
    },
    left: async () => (await readDeadLetters(log, topic)).map(({ offset }) => names[offset]!),
  };
}

/** Its key is erased, or a value that was the subject's alone is in it. */
const isOfSubject = (name: string) => name.startsWith('an erased key') || name.includes('with the value');

test('the dead letters that are removed are those that a look calls traces, in whatever part of them can be decoded', async () => {
  const { names, look, clean, left } = await lettersOf();
  const others = names.filter((name) => !isOfSubject(name));
  expect([names.length, others.length]).toEqual([25, 9]);
  expect((await look()).traces).toEqual(new Map([['e', 16]]));
  await clean();
  expect(await left()).toEqual(others);
  expect((await look()).traces).toEqual(new Map());
});

test('of dead letters that stay and that nobody can tell whose they are nothing is said to be verified', async () => {
  const { look, clean } = await lettersOf();
  await clean();
  // An undecodable key with either row, bytes or a delete, and neither part without a key.
  expect(await look()).toMatchObject({ unreadable: 5, state: 'unverifiable' });
});

test('dead letters are removed also where their topic is not there any more', async () => {
  const { log, names, clean, left } = await lettersOf();
  await log.deleteTopics([topic]);
  await clean();
  expect(await left()).toEqual(names.filter((name) => !isOfSubject(name)));
});
