import { expect, test } from 'vitest';
import { Throttle } from '../../../materializer/apply/throttle.ts';

const signal = new AbortController().signal;

/** Milliseconds until so many records got through, a hundred at a time. */
async function took(throttle: Throttle, records: number): Promise<number> {
  const began = performance.now();
  for (let left = records; left > 0; left -= 100) await throttle.take(100, signal);
  return performance.now() - began;
}

test('no more than the rate gets through, but for a tenth of a second that may be ahead', async () => {
  const throttle = new Throttle(() => 10_000);
  // 4,000 records at 10,000 a second; the last hundred are paid for by whoever comes next.
  expect(await took(throttle, 4_000)).toBeGreaterThan(280);
});

test('a pause is not followed by a burst', async () => {
  let pause = 0;
  const throttle = new Throttle(
    () => 10_000,
    () => performance.now() + pause,
  );
  await took(throttle, 500);
  pause = 60_000;
  expect(await took(throttle, 4_000)).toBeGreaterThan(280);
});

test('without a rate nothing waits, also when the rate goes away after it was exceeded', async () => {
  let rate: number | null = 1;
  const throttle = new Throttle(() => rate);
  await throttle.take(1_000_000, signal);
  rate = null;
  expect(await took(throttle, 1_000)).toBeLessThan(1_000);
});

test('who waits is let go by the signal', async () => {
  const throttle = new Throttle(() => 1);
  const stop = new AbortController();
  await throttle.take(1_000, stop.signal);
  const waiting = throttle.take(1, stop.signal);
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
});
