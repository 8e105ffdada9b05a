import { expect, test } from 'vitest';
import type { PassedBarrier } from '../../../connectors/source/barriers.ts';
import type { TailListener } from '../../../materializer/reading/barrier-tail.ts';
import { SharedBarriers } from '../../../materializer/reading/shared-barriers.ts';

const turns = async () => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};
const forever = new AbortController().signal;

function setUp(overdueMs?: number) {
  const emitted: { id: string; done(): void; fail(error: unknown): void }[] = [];
  let listener: TailListener = { passed: () => {}, failed: () => {} };
  let begun = 0;
  const shared = new SharedBarriers({
    emitter: {
      emit: (id) => new Promise((resolve, reject) => emitted.push({ id, done: resolve, fail: reject })),
      close: async () => {},
    },
    tail: (given) => {
      listener = given;
      return {
        begun: async () => {
          begun++;
        },
        close: async () => {},
      };
    },
    ...(overdueMs === undefined ? {} : { overdueMs }),
  });
  const pass = (n: number): PassedBarrier => {
    const barrier = { id: emitted[n]!.id, lsn: BigInt(n), ends: new Map(), content: {} };
    listener.passed(barrier);
    return barrier;
  };
  const wait = (signal = forever) => {
    const written = () => {
      waiting.written = true;
    };
    const waiting = { written: false, result: shared.next(signal, written) };
    waiting.result.catch(() => {});
    return waiting;
  };
  return {
    shared,
    emitted,
    pass,
    wait,
    fail: (error: unknown) => listener.failed(error),
    begun: () => begun,
  };
}

test('one barrier is under way at a time, and all who come meanwhile share the next one', async () => {
  const { emitted, pass, wait } = setUp();
  const first = wait();
  await turns();
  const others = Array.from({ length: 20 }, () => wait());
  await turns();
  expect(emitted).toHaveLength(1);
  emitted[0]!.done();
  await turns();
  expect([first.written, others[0]!.written]).toEqual([true, false]);
  const a = pass(0);
  expect(await first.result).toBe(a);
  await turns();
  expect(emitted).toHaveLength(2);
  emitted[1]!.done();
  const b = pass(1);
  for (const other of others) expect(await other.result).toBe(b);
  expect(emitted).toHaveLength(2);
});

test('nobody is served by a barrier that was being written when they came', async () => {
  const { emitted, pass, wait } = setUp();
  const early = wait();
  await turns();
  const late = wait();
  let served = false;
  late.result.then(() => {
    served = true;
  });
  await turns();
  pass(0);
  await early.result;
  await turns();
  expect(served).toBe(false);
  emitted[1]!.done();
  expect(await Promise.all([late.result, pass(1)])).toHaveLength(2);
});

test('a barrier that does not come holds up the next one for a while only, and a later one serves both', async () => {
  const { emitted, pass, wait } = setUp(5);
  const lost = wait();
  await turns();
  emitted[0]!.done();
  const next = wait();
  await expect.poll(() => emitted.length).toBe(2);
  emitted[1]!.done();
  const barrier = pass(1);
  expect(await lost.result).toBe(barrier);
  expect(await next.result).toBe(barrier);
});

test('a barrier that cannot be written fails those who wait for it, and not those who came later', async () => {
  const { emitted, pass, wait } = setUp();
  const first = wait();
  await turns();
  const second = wait();
  await turns();
  const failure = new Error('no database');
  emitted[0]!.fail(failure);
  await expect(first.result).rejects.toBe(failure);
  await turns();
  emitted[1]!.done();
  const barrier = pass(1);
  expect(await second.result).toBe(barrier);
});

test('who gives up causes no more barriers, and when the reading fails all fail and may wait again', async () => {
  const { emitted, pass, wait, fail } = setUp();
  const stop = new AbortController();
  const stopped = wait(stop.signal);
  await turns();
  emitted[0]!.done();
  const alsoStopped = wait(stop.signal);
  await turns();
  stop.abort(new Error('enough'));
  await expect(stopped.result).rejects.toThrow('enough');
  await expect(alsoStopped.result).rejects.toThrow('enough');
  pass(0);
  await turns();
  expect(emitted).toHaveLength(1);
  const failing = wait();
  await turns();
  fail(new Error('the Log is away'));
  await expect(failing.result).rejects.toThrow('the Log is away');
  const again = wait();
  await turns();
  const barrier = pass(2);
  expect(await again.result).toBe(barrier);
});

test('closing ends the waiting', async () => {
  const { shared, wait } = setUp();
  const waiting = wait();
  await turns();
  await shared.close();
  await expect(waiting.result).rejects.toMatchObject({ code: 'LOG_CLOSED' });
  await expect(wait().result).rejects.toMatchObject({ code: 'LOG_CLOSED' });
});
