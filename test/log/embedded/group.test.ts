import { expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../../log/embedded/database.ts';
import { GroupMember } from '../../../log/embedded/group.ts';

const partitions = [0, 1, 2, 3].map((partition) => ({ topic: 't', partition }));

function group(size: number): GroupMember[] {
  const db = openDatabase(':memory:');
  onTestFinished(() => void db.close());
  return Array.from({ length: size }, () => new GroupMember(db, 'g', partitions));
}

const held = (members: GroupMember[], now: number) => members.map((m) => m.heartbeat(now).size);

test('no partition is ever held by two members, and in the end all are held in equal parts', () => {
  const members = group(3);
  for (let now = 0; now < 5_000; now += 250) {
    for (const m of members) m.heartbeat(now);
    for (const { topic, partition } of partitions)
      expect(members.filter((m) => m.holds(`${topic}/${partition}`, now)).length).toBeLessThanOrEqual(1);
  }
  expect(held(members, 5_000).sort()).toEqual([1, 1, 2]);
});

test('a member that stopped beating no longer holds anything by the time that another takes over', () => {
  const [dead, alive] = group(2) as [GroupMember, GroupMember];
  held([dead, alive], 0);
  held([dead, alive], 500);
  expect(alive.heartbeat(3_000).size).toBe(2);
  expect(dead.holds('t/0', 3_000) || dead.holds('t/1', 3_000)).toBe(true);
  expect(alive.heartbeat(3_500).size).toBe(4);
  for (const { partition } of partitions) expect(dead.holds(`t/${partition}`, 3_500)).toBe(false);
  expect(dead.expired(3_500)).toBe(true);
});

test('renewing keeps the leases while a batch is worked on, and revives none that ran out', () => {
  const [slow, other] = group(2) as [GroupMember, GroupMember];
  slow.heartbeat(0);
  for (let now = 500; now <= 10_000; now += 500) slow.renew(now);
  expect(other.heartbeat(10_000).size).toBe(0);
  expect(slow.holds('t/0', 12_900)).toBe(true);
  slow.renew(13_000);
  expect(slow.holds('t/0', 13_000)).toBe(false);
  expect(other.heartbeat(13_000).size).toBe(4);
});
