import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { type EmbeddedLog, openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import { killAndTakeOver } from '../killed-writer.ts';
import { partitionsHeld, tail } from '../tail.ts';

const poll = { timeout: 15_000, interval: 20 };
const topic = 'shop.public.customers';

async function openWith(partitions: number): Promise<{ log: EmbeddedLog; path: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-log-'));
  const path = join(folder, 'log.db');
  const log = await openEmbeddedLog({ path });
  await log.ensureTopics([{ name: topic, partitions, cleanup: 'compact' }]);
  onTestFinished(async () => {
    await log.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { log, path };
}

function child(mode: 'append' | 'hold', path: string) {
  const script = fileURLToPath(new URL('child.ts', import.meta.url));
  const process = spawn('node', ['--import', 'tsx', script, mode, path, topic], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void process.kill('SIGKILL'));
  const said: number[] = [];
  createInterface({ input: process.stdout }).on('line', (line) => said.push(Number(line)));
  const exit = new Promise<void>((resolve) => process.on('close', () => resolve()));
  const killed = () => {
    process.kill('SIGKILL');
    return exit;
  };
  return { said, killed };
}

test('what was appended in a process that is killed right after is in the Log, and is read while it writes', async () => {
  const { log, path } = await openWith(1);
  const t = tail(log, { topics: [topic] });
  const writer = child('append', path);
  await expect.poll(() => t.records(topic).length, poll).toBeGreaterThan(20);
  await writer.killed();
  const last = writer.said.at(-1) ?? 0;
  expect(last).toBeGreaterThan(0);
  await expect.poll(() => t.records(topic).length, poll).toBeGreaterThan(last);
  expect(t.values(topic)).toEqual(t.records(topic).map((_, i) => String(i)));
  await t.stop();
}, 30_000);

test('the partitions of a member that was killed go to the others within seconds', async () => {
  const { log, path } = await openWith(4);
  const one = tail(log, { topics: [topic], group: 'pair' });
  const other = child('hold', path);
  await expect.poll(() => partitionsHeld(one).length, poll).toBe(2);
  await expect.poll(() => other.said.length, poll).toBe(2);
  await other.killed();
  await expect.poll(() => partitionsHeld(one), { ...poll, timeout: 6_000 }).toEqual([0, 1, 2, 3]);
  await one.stop();
}, 30_000);

test('appends of a fenced writer that was killed are in the Log whole or not at all, once another took over', async () => {
  const { log, path } = await openWith(1);
  await killAndTakeOver(log, path, 'insideout.view.card.g1');
}, 60_000);
