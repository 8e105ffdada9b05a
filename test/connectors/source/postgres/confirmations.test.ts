import { expect, test } from 'vitest';
import { Confirmations } from '../../../../connectors/source/postgres/confirmations.ts';
import type { Lsn } from '../../../../core/lsn.ts';

/** Confirmations over a Log whose writes end when the test says so. */
function setup(watermark: Lsn = 100n) {
  const writes: { lsn: Lsn; done(): Promise<void>; fail(error: Error): Promise<void> }[] = [];
  const failures: unknown[] = [];
  const clock = { now: 0 };
  const settle = async () => void (await new Promise((resolve) => setImmediate(resolve)));
  const confirmations = new Confirmations({
    watermark,
    write: (lsn) =>
      new Promise<void>((resolve, reject) => {
        writes.push({
          lsn,
          done: () => {
            resolve();
            return settle();
          },
          fail: (error) => {
            reject(error);
            return settle();
          },
        });
      }),
    failed: (error) => void failures.push(error),
    now: () => clock.now,
  });
  return { confirmations, writes, failures, clock };
}

test('nothing past the watermark is confirmed before the Log has it', async () => {
  const { confirmations, writes } = setup();
  expect(confirmations.upTo(90n)).toBe(90n);
  expect(confirmations.upTo(150n)).toBe(100n);
  expect(confirmations.upTo(160n)).toBe(100n);
  await writes[0]!.done();
  expect(confirmations.upTo(160n)).toBe(150n);
  expect(writes.map((w) => w.lsn)).toEqual([150n]);
});

test('the watermark moves once a second at most while records come, and one write at a time', async () => {
  const { confirmations, writes, clock } = setup();
  for (let lsn = 101n; lsn <= 150n; lsn++) {
    confirmations.appended();
    confirmations.upTo(lsn);
    clock.now += 100;
  }
  expect(writes.length).toBe(1);
  await writes[0]!.done();
  for (let lsn = 151n; lsn <= 200n; lsn++) {
    confirmations.appended();
    confirmations.upTo(lsn);
    await writes.at(-1)!.done();
    clock.now += 100;
  }
  expect(writes.length).toBe(6);
});

test('where nothing but the position moves, an hour makes few watermarks, and records are told of soon again', async () => {
  const { confirmations, writes, clock } = setup();
  let lsn = 100n;
  const run = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      confirmations.upTo(++lsn);
      await writes.at(-1)?.done();
      clock.now += 1_000;
    }
  };
  await run(3_600);
  expect(writes.length).toBeLessThan(70);
  const before = writes.length;
  confirmations.appended();
  await run(2);
  expect(writes.length).toBeGreaterThan(before);
});

test('WAL of others that would be held back is let go within a second', async () => {
  const { confirmations, writes, clock } = setup();
  for (let i = 1; i <= 20; i++) {
    confirmations.upTo(100n + BigInt(i) * (16n << 20n));
    await writes.at(-1)!.done();
    clock.now += 1_000;
  }
  expect(writes.length).toBe(20);
});

test('the end writes what was acknowledged, after what is under way, and nothing follows it', async () => {
  const { confirmations, writes, clock } = setup();
  confirmations.upTo(150n);
  const ended = confirmations.end(170n);
  await writes[0]!.done();
  expect(writes.map((w) => w.lsn)).toEqual([150n, 170n]);
  await writes[1]!.done();
  await ended;
  expect(confirmations.upTo(170n)).toBe(170n);
  clock.now += 100_000;
  expect(confirmations.upTo(190n)).toBe(170n);
  expect(writes.length).toBe(2);
});

test('a watermark that cannot be written is told of once, and nothing more is confirmed', async () => {
  const { confirmations, writes, failures, clock } = setup();
  const broken = new Error('broken');
  confirmations.upTo(150n);
  await writes[0]!.fail(broken);
  clock.now += 100_000;
  expect(confirmations.upTo(160n)).toBe(100n);
  await confirmations.end(160n);
  expect([failures, writes.length]).toEqual([[broken], 1]);
});
