import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import type { Ceiling } from '../cases/case.ts';
import { redisUrl } from '../servers.ts';
import { orderRow } from '../workload/orders.ts';

/** Rows of an MSET, and MSETs under way. */
const perCommand = 1_000;
const depth = 3;

/** ioredis with MSET of texts that are ready, three commands under way; and redis-benchmark, where it is installed. */
export async function redisAlone(records: number): Promise<Ceiling[]> {
  const redis = new Redis(redisUrl);
  let seconds = 0;
  for (let low = 1; low <= records; low += perCommand * depth * 4) {
    const commands: string[][] = [];
    for (let from = low; from < low + perCommand * depth * 4 && from <= records; from += perCommand)
      commands.push(pairs(from, Math.min(from + perCommand, records + 1)));
    const startedAt = performance.now();
    const underWay: Promise<unknown>[] = [];
    for (const args of commands) {
      if (underWay.length >= depth) await underWay.shift();
      underWay.push(redis.mset(args));
    }
    await Promise.all(underWay);
    seconds += (performance.now() - startedAt) / 1000;
  }
  await redis.flushall();
  redis.disconnect();
  const bare = { name: 'bare ioredis loop, MSET of 1,000', recordsPerSecond: records / seconds };
  const benchmark = await redisBenchmark(records);
  return benchmark ? [bare, benchmark] : [bare];
}

function pairs(from: number, to: number): string[] {
  const args: string[] = [];
  for (let id = from; id < to; id++) args.push(`bench:{g1}:${id}`, JSON.stringify(orderRow(id)));
  return args;
}

/** MSET of 10 keys, as many under way as make the same rows. */
async function redisBenchmark(records: number): Promise<Ceiling | null> {
  const args = ['-p', new URL(redisUrl).port, '-t', 'mset', '-n', String(Math.ceil(records / 10))];
  args.push(
    ...['-c', '1', '-P', String((perCommand * depth) / 10), '-d', '250', '-r', String(records), '--csv'],
  );
  try {
    const { stdout } = await promisify(execFile)('redis-benchmark', args);
    const rate = Number(/"MSET[^"]*","([\d.]+)"/.exec(stdout)?.[1]);
    return { name: 'redis-benchmark, MSET of 10', recordsPerSecond: rate * 10 };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
