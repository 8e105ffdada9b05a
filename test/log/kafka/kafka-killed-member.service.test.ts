import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import { servers, uniqueName } from '../../support/servers.ts';
import { partitionsHeld, tail } from '../tail.ts';

/** The session time-out of 10 s, the survivor's next heartbeat, and the time to join again. */
const withinMs = 15_000;
const poll = { timeout: 20_000, interval: 20 };

/** Starts a member as a process of its own; `given` is what it was given since it started. */
function startMember(topic: string, group: string): { child: ChildProcess; given: Set<number> } {
  const file = fileURLToPath(new URL('group-member.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', file, topic, group], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const given = new Set<number>();
  createInterface({ input: child.stdout }).on('line', (line) => given.add(Number(line)));
  return { child, given };
}

test('the partitions of a member that was killed come to the others within the session time-out', async () => {
  const log = await openKafkaLog({ brokers: [servers().kafka], registry: { url: servers().registry } });
  onTestFinished(() => log.close());
  const topic = uniqueName('killed');
  const group = uniqueName('group');
  await log.ensureTopics([{ name: topic, partitions: 2, cleanup: 'compact' }]);
  const append = (value: string) =>
    log.append(
      [0, 1].map((partition) => ({
        topic,
        partition,
        key: Buffer.from('k'),
        value: Buffer.from(value),
        timestamp: 1,
      })),
    );
  const survivor = tail(log, { topics: [topic], group });
  onTestFinished(() => survivor.stop().catch(() => {}));
  await expect.poll(() => partitionsHeld(survivor), poll).toEqual([0, 1]);
  const { child, given } = startMember(topic, group);
  await expect.poll(() => [given.size, survivor.held.size], poll).toEqual([1, 1]);
  const [taken = -1] = given;
  expect(partitionsHeld(survivor)).toEqual([1 - taken]);

  child.kill('SIGKILL');
  await once(child, 'exit');
  await append('after the kill');
  await expect.poll(() => survivor.values(topic, 1 - taken), poll).toContain('after the kill');
  await expect
    .poll(() => survivor.values(topic, taken), { ...poll, timeout: withinMs })
    .toContain('after the kill');
  expect(partitionsHeld(survivor)).toEqual([0, 1]);
});
