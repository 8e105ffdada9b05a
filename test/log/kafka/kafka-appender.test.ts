import type { Kafka } from 'kafkajs';
import { expect, test } from 'vitest';
import type { Request } from '../../../log/kafka/batch-producer.ts';
import { KafkaAppender } from '../../../log/kafka/kafka-appender.ts';
import { errorOfCode } from '../../../log/kafka/kafkajs-cluster.ts';
import type { LogRecord } from '../../../log/log.ts';

const record = (value: string, partition = 0): LogRecord => ({
  topic: 't',
  partition,
  key: Buffer.from('k'),
  value: Buffer.from(value),
  timestamp: 1,
});

const valuesOf = ({ partitions }: Request) =>
  [...partitions.values()].flatMap((records) => records.map((r) => String(r.value)));

const notLeader = () => errorOfCode(6);

/** An appender on producers whose requests do what `send` says, and what became of each producer. */
function appender(
  send: (request: Request, producer: number) => Promise<void>,
  options: {
    mayFollow?: (request: Request) => boolean;
    pauses?: readonly number[];
  } = {},
) {
  const made: { closed: boolean }[] = [];
  const topics = new Set(['t', 'u']);
  const log = new KafkaAppender({
    kafka: {} as Kafka,
    compression: 'none',
    limits: async () => () => 1_000_000,
    existing: async () => topics,
    pauses: options.pauses ?? [0, 0],
    connect: async () => {
      const state = { closed: false };
      const number = made.push(state);
      return {
        send: (request) => {
          if (state.closed) throw new Error('used after it was thrown away');
          return send(request, number);
        },
        mayFollow: options.mayFollow ?? (() => true),
        close: async () => {
          state.closed = true;
        },
      };
    },
  });
  return { made, topics, log };
}

/** Requests that are answered when the test says so. */
function held() {
  const calls: { values: string[]; producer: number; answer(error?: Error): void }[] = [];
  const send = (request: Request, producer: number) =>
    new Promise<void>((resolve, reject) => {
      calls.push({
        values: valuesOf(request),
        producer,
        answer: (error) => (error ? reject(error) : resolve()),
      });
    });
  const sent = async (count: number) => {
    while (calls.length < count) await new Promise(setImmediate);
    // Whoever wanted to send more has had the time.
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    expect(calls).toHaveLength(count);
  };
  return { calls, send, sent };
}

test('at most three requests are in flight, and what comes meanwhile leaves together in order', async () => {
  const { calls, send, sent } = held();
  const { log } = appender(send);
  const appends: Promise<void>[] = [];
  for (const value of ['a', 'b', 'c', 'd', 'e']) {
    appends.push(log.append([record(value)]));
    await sent(Math.min(appends.length, 3));
  }
  calls[0]!.answer();
  await sent(4);
  for (const call of calls) call.answer();
  await Promise.all(appends);
  expect(calls.map((c) => c.values)).toEqual([['a'], ['b'], ['c'], ['d', 'e']]);
});

test('an append resolves only after every one before it', async () => {
  const { calls, send, sent } = held();
  const { log } = appender(send);
  const done: string[] = [];
  const first = log.append([record('a')]).then(() => done.push('a'));
  await sent(1);
  const second = log.append([record('b')]).then(() => done.push('b'));
  await sent(2);
  calls[1]!.answer();
  await sent(2);
  expect(done).toEqual([]);
  calls[0]!.answer();
  await Promise.all([first, second]);
  expect(done).toEqual(['a', 'b']);
});

test('a request that may not follow waits until everything before it is confirmed', async () => {
  const { calls, send, sent } = held();
  const { log } = appender(send, { mayFollow: () => false });
  const appends = [log.append([record('a')])];
  await sent(1);
  appends.push(log.append([record('b')]));
  await sent(1);
  calls[0]!.answer();
  await sent(2);
  calls[1]!.answer();
  await Promise.all(appends);
});

test('after a failure everything that is not confirmed goes out again in order, by another producer', async () => {
  const { calls, send, sent } = held();
  const { log, made } = appender(send);
  const appends: Promise<void>[] = [];
  for (const value of ['a', 'b', 'c']) {
    appends.push(log.append([record(value)]));
    await sent(appends.length);
  }
  calls[0]!.answer();
  calls[1]!.answer(notLeader());
  await sent(3);
  // The answers of those in flight are waited for: with the producer thrown away nobody could tell any more.
  expect(made).toEqual([{ closed: false }]);
  calls[2]!.answer();
  await sent(5);
  for (const call of calls) call.answer();
  await Promise.all(appends);
  expect(calls.slice(3).map(({ values, producer }) => [values, producer])).toEqual([
    [['b'], 2],
    [['c'], 2],
  ]);
  expect(made).toEqual([{ closed: true }, { closed: false }]);
});

test('what does not pass rejects it and all later appends, until recover', async () => {
  let fail = true;
  const { log, made } = appender(async () => {
    if (fail) throw notLeader();
  });
  const first = log.append([record('a')]);
  const behind = log.append([record('b')]);
  await expect(first).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
  await expect(behind).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
  expect(made).toHaveLength(3);
  fail = false;
  await expect(log.append([record('c')])).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
  await log.recover();
  await log.append([record('d')]);
  expect(made.map((producer) => producer.closed)).toEqual([true, true, true, false]);
});

test('what can never succeed is not tried again', async () => {
  const { log, made } = appender(async () => {
    throw errorOfCode(10);
  });
  await expect(log.append([record('a')])).rejects.toMatchObject({ code: 'LOG_RECORD_TOO_LARGE' });
  expect(made).toHaveLength(1);
});

test('a producer that knows a deleted topic is replaced before it is given another one', async () => {
  const { log, made, topics } = appender(async () => {});
  await log.append([record('1')]);
  await log.append([{ ...record('2'), topic: 'u' }]);
  expect(made).toHaveLength(1);
  topics.delete('t');
  topics.add('v');
  await log.append([{ ...record('3'), topic: 'v' }]);
  expect(made.map((producer) => producer.closed)).toEqual([true, false]);
});

test('a topic that is not found is no fault of the append when all of its own are there', async () => {
  const { log } = appender(() => Promise.reject(errorOfCode(3)));
  await expect(log.append([record('1')])).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
  await log.recover();
  await expect(log.append([{ ...record('2'), topic: 'x' }])).rejects.toMatchObject({ code: 'LOG_TOPIC' });
});
