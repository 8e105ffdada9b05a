import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openMemoryStore } from '../../../connectors/sink/memory/memory-store.ts';
import { type EmbeddedLog, openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import type { Log } from '../../../log/log.ts';
import { LagWatch } from '../../../materializer/apply/lag-watch.ts';
import { silentObserver, type ViewObserver } from '../../../materializer/apply/observer.ts';
import type { PartitionRun } from '../../../materializer/apply/partition-run.ts';
import { runView } from '../../support/run-view.ts';
import {
  caughtUp,
  customerCard,
  customersTopic,
  recordsOf,
  temporaryFolder,
  topic,
  until,
} from '../customers.ts';
import { faulty } from '../faults.ts';

const folder = temporaryFolder();
let log: EmbeddedLog;
let files = 0;
beforeEach(async () => {
  log = await openEmbeddedLog({ path: folder.path(`log${files++}.db`) });
});
afterEach(async () => {
  await log.close();
  folder.remove();
});

/** A run that keeps what was told last of each partition. */
function start(store: ReturnType<typeof openMemoryStore>, more: Partial<ViewObserver> = {}) {
  const stop = new AbortController();
  const lag = new Map<number, number>();
  const observe: ViewObserver = {
    ...silentObserver,
    behind: (at) => void lag.set(at.partition, at.lag),
    applied: (at) => void lag.set(at.partition, at.lag),
    revoked: (_topic, partition) => void lag.delete(partition),
    ...more,
  };
  const ended = runView({ view: customerCard, log, store, signal: stop.signal, observe });
  return {
    lag,
    stop: async () => {
      stop.abort();
      await ended;
    },
  };
}

const records = (customers: Awaited<ReturnType<typeof customersTopic>>, ids: readonly number[]) =>
  ids.flatMap((id) => recordsOf({ op: 'upsert', id, customer: { name: 'n', visits: 1 } }, customers));

test('what waits in the Log is told while nothing of it is in the store yet', async () => {
  const customers = await customersTopic(log);
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const memory = openMemoryStore();
  const run = start(faulty(memory, (op) => (op === 'apply' ? { kind: 'hold', until: held } : null)));
  await log.append(records(customers, [1, 2, 3]));
  await until(() => run.lag.get(0) === 3, 'the three are told');
  await log.append(records(customers, [4, 5]));
  await until(() => run.lag.get(0) === 5, 'the next two as well');
  release();
  await until(() => run.lag.get(0) === 0, 'all are in the store');
  await run.stop();
  expect(run.lag.size).toBe(0);
});

test('a view that begins at the end of its topic tells of every partition that nothing waits', async () => {
  const customers = await customersTopic(log, 3);
  const memory = openMemoryStore();
  await log.append(records(customers, [1, 2, 3, 4, 5, 6, 7, 8]));
  const first = start(memory);
  await until(() => caughtUp(log, memory), 'caught up');
  await first.stop();
  const again = start(memory);
  await until(() => again.lag.size === 3, 'all partitions are told');
  expect([...again.lag.values()]).toEqual([0, 0, 0]);
  await again.stop();
});

test('a topic that is missing is told once with what to do, and that it is there as well', async () => {
  const told: string[] = [];
  const run = start(openMemoryStore(), {
    retrying: (error) => void told.push(`${error.code} ${error.message} ${error.hint}`),
    recovered: () => void told.push('recovered'),
  });
  await until(() => told.length > 0, 'it is told');
  expect(told).toEqual([
    `LOG_TOPIC There is no topic ${topic} yet; it is waited for. Start the source that writes it, or correct \`from\` in the view.`,
  ]);
  await customersTopic(log);
  await until(() => told.length > 1, 'it is there');
  expect(told.slice(1)).toEqual(['recovered']);
  await run.stop();
});

test('the Log is asked where it ends while something waits, and otherwise left alone', async () => {
  vi.useFakeTimers();
  try {
    let asked = 0;
    let end = 7;
    const reached: number[] = [];
    const run = { key: `${topic}/0`, behind: false, reaches: (at: number) => void reached.push(at) };
    const offsets = async () => {
      asked++;
      if (end < 0) throw new Error('away');
      return new Map([[run.key, { first: 0, end }]]);
    };
    const watch = new LagWatch({
      log: { offsets } as unknown as Log,
      topic,
      runs: () => [run as unknown as PartitionRun],
    });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(0);
    // Partitions that come together are asked about at once, and again when there was no answer.
    end = -1;
    watch.assigned();
    watch.assigned();
    await vi.advanceTimersByTimeAsync(1_000);
    expect([asked, reached]).toEqual([1, []]);
    end = 7;
    await vi.advanceTimersByTimeAsync(30_000);
    expect([asked, reached]).toEqual([2, [7]]);
    run.behind = true;
    end = 20;
    await vi.advanceTimersByTimeAsync(6_000);
    expect(reached).toEqual([7, 20]);
    watch.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(3);
  } finally {
    vi.useRealTimers();
  }
});
