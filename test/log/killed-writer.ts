import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import type { Log } from '../../log/log.ts';
import { tail } from './tail.ts';

const poll = { timeout: 30_000, interval: 10 };

/** A fenced writer in a process of its own; `said` are the numbers whose append it saw resolve. */
function start(path: string, topic: string): { child: ChildProcess; said: number[] } {
  const file = fileURLToPath(new URL('fenced-child.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', file, path, topic, topic], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said: number[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => said.push(Number(line)));
  return { child, said };
}

/**
 * Kills a fenced writer in its work, opens another with its id at once, and expects every append of the first to
 * be in the Log whole or not at all, those that resolved whole, and all before what the second appends.
 */
export async function killAndTakeOver(log: Log, path: string, topic: string): Promise<void> {
  // Not compacted: the child's records of one append share a key, and each one counts.
  await log.ensureTopics([{ name: topic, partitions: 2, cleanup: 'delete', retentionMs: -1 }]);
  const { child, said } = start(path, topic);
  await expect.poll(() => said.length, poll).toBeGreaterThan(15);
  const exit = once(child, 'close');
  child.kill('SIGKILL');
  const writer = await log.fencedWriter(topic);
  onTestFinished(() => writer.close());
  const last = { topic, key: Buffer.from('k'), value: Buffer.from('end'), timestamp: 1 };
  await writer.append([0, 1].map((partition) => ({ ...last, partition })));
  await exit;
  const t = tail(log, { topics: [topic] });
  for (const p of [0, 1]) await expect.poll(() => t.values(topic, p).at(-1), poll).toBe('end');
  await t.stop();
  const [first, second] = [0, 1].map((p) => t.values(topic, p).slice(0, -1).map(Number));
  expect(first).toEqual(second);
  const appended = (first?.length ?? 0) / 20;
  expect(first).toEqual(Array.from({ length: appended * 20 }, (_, i) => Math.floor(i / 20)));
  expect(appended).toBeGreaterThan(said.at(-1) ?? 0);
}
