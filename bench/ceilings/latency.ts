import { setTimeout as wait } from 'node:timers/promises';
import type { Latency } from '../cases/case.ts';
import { latencyOf, watch } from '../measure/latency.ts';
import { plainKafka, type Topics } from '../workload/topics.ts';

/** Records that a bare kafkajs producer sends one by one at the rate, until a consumer has them. */
export async function kafkaLatency(options: {
  topics: Topics;
  perSecond: number;
  records: number;
}): Promise<Latency> {
  const { topics, perSecond, records } = options;
  const topic = 'bench.latency';
  await topics.remove(topic);
  await topics.create(topic, 4);
  const seen = new Float64Array(records);
  const run = 'run=bare,seq=';
  const consumer = await watch(topic, run, seen);
  const producer = plainKafka().producer();
  await producer.connect();
  const sent = new Float64Array(records);
  const began = performance.now();
  const sending: Promise<unknown>[] = [];
  for (let next = 0; next < records; ) {
    const due = Math.min(records, Math.floor(((performance.now() - began) / 1000) * perSecond));
    for (; next < due; next++) {
      sent[next] = performance.now();
      const message = {
        partition: next % 4,
        key: Buffer.from(String(next)),
        value: Buffer.from(`${run}${next};`),
      };
      sending.push(producer.send({ topic, messages: [message] }));
    }
    await wait(1);
  }
  await Promise.all(sending);
  while (seen.includes(0)) await wait(20);
  await producer.disconnect();
  await consumer.disconnect();
  await topics.remove(topic);
  return latencyOf([...seen].map((at, i) => Math.max(0, at - sent[i]!)));
}
