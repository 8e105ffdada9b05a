import type { Kafka, Producer, ProducerBatch, RecordMetadata } from 'kafkajs';
import { expect, test } from 'vitest';
import { KafkaAppender } from '../../../log/kafka/kafka-appender.ts';
import type { LogRecord } from '../../../log/log.ts';

type Send = (batch: ProducerBatch) => Promise<RecordMetadata[]>;

const record = (value: string, partition = 0): LogRecord => ({
  topic: 't',
  partition,
  key: Buffer.from('k'),
  value: Buffer.from(value),
  timestamp: 1,
});

const answer = (batch: ProducerBatch): RecordMetadata[] =>
  (batch.topicMessages ?? []).flatMap(({ topic, messages }) =>
    [...new Set(messages.map((m) => m.partition ?? 0))].map((partition) => ({
      topicName: topic,
      partition,
      errorCode: 0,
    })),
  );

const valuesOf = (batch: ProducerBatch) =>
  (batch.topicMessages ?? []).flatMap(({ messages }) => messages.map((m) => String(m.value)));

/** An appender on producers whose calls do what `send` says, and the number of producers made. */
function appender(send: Send) {
  const made: { disconnected: boolean }[] = [];
  const producer = () => {
    const state = { disconnected: false };
    made.push(state);
    return {
      connect: async () => {},
      disconnect: async () => {
        state.disconnected = true;
      },
      sendBatch: (batch: ProducerBatch) => {
        if (state.disconnected) throw new Error('used after it was thrown away');
        return send(batch);
      },
    } as unknown as Producer;
  };
  const limits = async () => () => 1_000_000;
  const topics = new Set(['t', 'u']);
  const existing = async () => topics;
  const kafka = { producer } as unknown as Kafka;
  return { made, topics, log: new KafkaAppender({ kafka, compression: 'none', limits, existing }) };
}

test('one call is under way at a time, and what comes meanwhile leaves together in order', async () => {
  let underWay = 0;
  const calls: string[][] = [];
  const { log } = appender(async (batch) => {
    expect(++underWay).toBe(1);
    calls.push(valuesOf(batch));
    await new Promise(setImmediate);
    underWay--;
    return answer(batch);
  });
  await Promise.all(['a', 'b', 'c', 'd'].map((value) => log.append([record(value)])));
  expect(calls).toEqual([['a'], ['b', 'c', 'd']]);
});

test('a producer whose call failed is never used again, because its next batch could be taken for a repetition', async () => {
  let fail = true;
  const { log, made } = appender(async (batch) => {
    if (fail) throw new Error('timed out');
    return answer(batch);
  });
  const first = log.append([record('a')]);
  const behind = log.append([record('b')]);
  await expect(first).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
  await expect(behind).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
  fail = false;
  await expect(log.append([record('c')])).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
  await log.recover();
  await log.append([record('d')]);
  expect(made).toEqual([{ disconnected: true }, { disconnected: false }]);
});

test('a partition that the answer leaves out fails the append', async () => {
  const { log } = appender(async (batch) => answer(batch).filter(({ partition }) => partition !== 1));
  await expect(log.append([record('a', 0), record('b', 1)])).rejects.toMatchObject({
    code: 'LOG_UNREACHABLE',
  });
});

test('a producer that knows a deleted topic is replaced before it is given another one', async () => {
  const { log, made, topics } = appender(async (batch) => answer(batch));
  await log.append([record('1')]);
  await log.append([{ ...record('2'), topic: 'u' }]);
  expect(made).toHaveLength(1);
  topics.delete('t');
  topics.add('v');
  await log.append([{ ...record('3'), topic: 'v' }]);
  expect(made.map((producer) => producer.disconnected)).toEqual([true, false]);
});

test('a topic that is not found is no fault of the append when all of its own are there', async () => {
  const gone = Object.assign(new Error('gone'), { type: 'UNKNOWN_TOPIC_OR_PARTITION' });
  const { log } = appender(() => Promise.reject(gone));
  await expect(log.append([record('1')])).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
  await log.recover();
  await expect(log.append([{ ...record('2'), topic: 'x' }])).rejects.toMatchObject({ code: 'LOG_TOPIC' });
});
