import { setTimeout as wait } from 'node:timers/promises';
import type { Latency, Side } from '../cases/case.ts';
import { singleRows } from '../workload/single-rows.ts';
import { plainKafka } from '../workload/topics.ts';
import { treeUsage } from './process-tree.ts';
import { percentile } from './statistics.ts';

export interface LatencyOptions {
  readonly url: string;
  readonly topic: string;
  /** Of the process that carries the changes. */
  readonly pid: number;
  readonly startedAt: number;
  readonly perSecond: number;
  /** Transactions before the measuring begins: just-in-time compilers need some. */
  readonly warmUp: number;
  readonly transactions: number;
}

/**
 * Of single-row transactions at a fixed rate: from the moment that Postgres confirmed the commit until a consumer
 * has the record, whatever its format: the row's note holds a number that is looked for among its bytes.
 */
export async function measureLatency(options: LatencyOptions): Promise<Omit<Side, 'name'>> {
  const { url, topic, pid, startedAt, perSecond, warmUp } = options;
  const total = warmUp + options.transactions;
  const run = `run=${performance.now().toFixed(0)},seq=`;
  const seen = new Float64Array(total);
  const consumer = await watch(topic, run, seen);
  const load = await singleRows({ url, perSecond, most: total, mark: run });
  const { committed } = load;
  await load.until(warmUp);
  const before = treeUsage(pid);
  await load.until(total);
  const after = treeUsage(pid);
  const deadline = performance.now() + 20_000;
  while (seen.includes(0) && performance.now() < deadline) await wait(50);
  await consumer.disconnect();
  await load.close();
  const lost = seen.filter((at) => at === 0).length;
  if (lost > 0) throw new Error(`${lost} of ${total} changes did not arrive`);
  if (!before || !after) throw new Error('the process ended');
  const values = [...seen].slice(warmUp).map((at, i) => Math.max(0, at - committed[warmUp + i]!));
  const seconds = (Math.max(...seen) - committed[warmUp]!) / 1000;
  return {
    measured: {
      recordsPerSecond: options.transactions / seconds,
      cpuSecondsPerMillion: ((after.cpuSeconds - before.cpuSeconds) / options.transactions) * 1e6,
      peakRssMb: after.peakRssMb,
      firstSeconds: (seen[0]! - startedAt) / 1000,
      totalSeconds: (Math.max(...seen) - startedAt) / 1000,
    },
    latencyMs: latencyOf(values),
  };
}

export const latencyOf = (values: readonly number[]): Latency => ({
  p50: percentile(values, 0.5),
  p99: percentile(values, 0.99),
});

/** A consumer that notes when it has which number; resolves when it is sure to see whatever comes now. */
export async function watch(topic: string, run: string, seen: Float64Array) {
  const consumer = plainKafka().consumer({
    groupId: `bench-latency-${process.pid}-${performance.now()}`,
    maxWaitTimeInMs: 100,
    minBytes: 1,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: false });
  const ready = new Promise<void>((resolve) => {
    consumer.on(consumer.events.FETCH, () => resolve());
  });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      const now = performance.now();
      for (const { value } of batch.messages) {
        const at = value?.lastIndexOf(run) ?? -1;
        if (at < 0) continue;
        const n = Number.parseInt(value!.toString('latin1', at + run.length, at + run.length + 12), 10);
        if (seen[n] === 0) seen[n] = now;
      }
    },
  });
  await ready;
  return consumer;
}
