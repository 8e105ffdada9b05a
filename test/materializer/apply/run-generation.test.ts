import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openMemoryStore } from '../../../connectors/sink/memory/memory-store.ts';
import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import type { ViewStore } from '../../../connectors/sink/view-store.ts';
import { InsideoutError } from '../../../core/errors.ts';
import type { ViewBatch } from '../../../core/view.ts';
import { type EmbeddedLog, openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import type { Log } from '../../../log/log.ts';
import { ErasedKeys, type ErasedRows } from '../../../materializer/apply/erased.ts';
import { silentObserver, type ViewObserver } from '../../../materializer/apply/observer.ts';
import { type RunViewOptions, runView } from '../../support/run-view.ts';
import {
  activeOf,
  type Change,
  type Customers,
  cardOf,
  caughtUp,
  customerCard,
  customersTopic,
  model,
  recordsOf,
  rowsOf,
  sorted,
  temporaryFolder,
  topic,
  until,
} from '../customers.ts';
import { Crash, type Fault, faulty, unreachable } from '../faults.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
let files = 0;

/** Starts a run; `stop` ends it and gives what it ended with, null for nothing. */
function start(log: Log, store: ViewStore, more: Partial<RunViewOptions> = {}) {
  const stopping = new AbortController();
  const observe: ViewObserver = { ...silentObserver, ...more.observe };
  const ended = runView({
    view: customerCard,
    log,
    store,
    backoff: { first: 2, longest: 10 },
    ...more,
    observe,
    signal: stopping.signal,
  }).then(
    () => null,
    (error: unknown) => error as Error,
  );
  return {
    ended,
    stop: () => {
      stopping.abort();
      return ended;
    },
  };
}

const customer = fc.record({
  name: fc.oneof(fc.constantFrom('hidden', null), fc.string({ maxLength: 5 })),
  visits: fc.option(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
});
const id = fc.integer({ min: 1, max: 6 });
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant('upsert' as const), id, customer }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('remove' as const), id }) },
  { weight: 1, arbitrary: fc.constant({ op: 'truncate' as const }) },
);

describe('a view is what its topic says', () => {
  const faultAt = fc.record({
    call: fc.nat(12),
    kind: fc.constantFrom('reject' as const, 'failAfterWrite' as const),
    error: fc.constantFrom('crash', 'unreachable'),
  });

  test.each([
    ['memory', async () => openMemoryStore()],
    ['sqlite', async () => openSqliteStore({ path: folder.path(`store${files++}.db`) })],
  ])('%s: for any history, with replays, failures and crashes at any step', async (_name, open) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(change, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 6 }),
        fc.nat(100),
        fc.uniqueArray(faultAt, { maxLength: 5, selector: (f) => f.call }),
        async (appends, replay, faults) => {
          const log = await openEmbeddedLog({ path: folder.path(`log${files++}.db`) });
          const store = await open();
          try {
            const customers = await customersTopic(log, 2);
            // A source that was restarted appends its last part again.
            const history = [...appends, ...appends.slice(replay % appends.length)];
            let call = 0;
            const shaky = faulty(store, () => {
              const fault = faults.find((f) => f.call === call);
              call++;
              if (!fault) return null;
              return { kind: fault.kind, error: fault.error === 'crash' ? new Crash() : unreachable() };
            });
            let run = start(log, shaky);
            for (const part of history) {
              await log.append(part.flatMap((c) => recordsOf(c, customers)));
              await new Promise(setImmediate);
            }
            while (!(await caughtUp(log, store))) {
              const crashed = await Promise.race([
                run.ended,
                new Promise<null>((r) => setTimeout(r, 2, null)),
              ]);
              if (crashed === null) continue;
              expect(crashed).toMatchObject({ code: 'INTERNAL', cause: expect.any(Crash) });
              run = start(log, shaky);
            }
            await run.stop();
            expect(await rowsOf(store)).toEqual(sorted(model(history.flat()).values()));
          } finally {
            await store.close();
            await log.close();
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('a run', () => {
  let log: EmbeddedLog;
  let store: ViewStore;
  let customers: Customers;
  beforeAll(() => expect(customerCard.shape.key).toEqual(['customer_id']));
  beforeEach(async () => {
    log = await openEmbeddedLog({ path: folder.path(`log${files++}.db`) });
    store = openMemoryStore();
    customers = await customersTopic(log, 2);
  });
  afterEach(async () => {
    await log.close();
  });
  const append = (...changes: Change[]) => log.append(changes.flatMap((c) => recordsOf(c, customers)));
  const upsert = (n: number, name = `n${n}`): Change => ({
    op: 'upsert',
    id: n,
    customer: { name, visits: n },
  });

  test('makes the first generation active at once and resumes at its checkpoint', async () => {
    await append(upsert(1), upsert(2));
    const first = start(log, store);
    await until(() => caughtUp(log, store), 'caught up');
    expect(await store.active('customer_card')).toBe(1);
    expect(await first.stop()).toBeNull();
    await append(upsert(3), { op: 'remove', id: 1 });
    let records = 0;
    const second = start(log, store, {
      observe: {
        ...silentObserver,
        applied: (p) => {
          records += p.records;
        },
      },
    });
    await until(() => caughtUp(log, store), 'caught up again');
    expect(await second.stop()).toBeNull();
    expect(records).toBe(2);
    expect(await store.generations('customer_card')).toEqual([1]);
    expect(await rowsOf(store)).toEqual([2, 3].map((n) => cardOf(n, { name: `n${n}`, visits: n })));
  });

  test('passes over the holes that compaction leaves', async () => {
    await append(upsert(1), upsert(2), upsert(1, 'again'), upsert(3), upsert(2, 'again'), {
      op: 'remove',
      id: 3,
    });
    expect(await log.clean(topic)).toBeGreaterThan(0);
    const run = start(log, store);
    await until(() => caughtUp(log, store), 'caught up');
    expect(await run.stop()).toBeNull();
    expect(await rowsOf(store)).toEqual([
      cardOf(1, { name: 'again', visits: 1 }),
      cardOf(2, { name: 'again', visits: 2 }),
    ]);
  });

  test('waits for a topic that does not exist yet', async () => {
    const empty = await openEmbeddedLog({ path: folder.path(`log${files++}.db`) });
    const run = start(empty, store);
    await until(async () => (await store.active('customer_card')) === 1, 'opened');
    const late = await customersTopic(empty);
    await empty.append(recordsOf(upsert(7), late));
    await until(() => caughtUp(empty, store), 'caught up');
    expect(await run.stop()).toBeNull();
    expect(await (await activeOf(store)).count()).toBe(1);
    await empty.close();
  });

  test('waits for a store that is down, sets nothing aside, and goes on', async () => {
    let down = 5;
    const seen: string[] = [];
    const shaky = faulty(store, (): Fault | null =>
      down-- > 0 ? { kind: 'reject', error: unreachable() } : null,
    );
    await append(upsert(1), upsert(2));
    const run = start(log, shaky, {
      observe: {
        ...silentObserver,
        retrying: (error) => void seen.push((error as InsideoutError).code),
        recovered: () => void seen.push('recovered'),
      },
    });
    await until(() => caughtUp(log, store), 'caught up');
    expect(await run.stop()).toBeNull();
    expect(seen.filter((s) => s === 'STORE_UNREACHABLE')).toHaveLength(5);
    expect(seen.at(-1)).toBe('recovered');
    expect(await log.topics()).toEqual([topic]);
  });

  test('ends at once when it is stopped while the store is down', async () => {
    const down = faulty(store, (op) => (op === 'apply' ? { kind: 'reject', error: unreachable() } : null));
    await append(upsert(1));
    let tries = 0;
    const run = start(log, down, {
      backoff: { first: 60_000, longest: 60_000 },
      observe: { ...silentObserver, retrying: () => void tries++ },
    });
    await until(() => tries > 0, 'tried');
    expect(await run.stop()).toBeNull();
  });

  test('throws what an operator must mend, also while another partition waits for the store', async () => {
    const refused = new InsideoutError('STORE_REFUSED', 'Full.', { hint: 'Make room.' });
    const [a, b] = [1, 2, 3, 4, 5, 6, 7, 8].reduce<number[][]>(
      (parts, n) => {
        parts[customers.partitionOf(n)]!.push(n);
        return parts;
      },
      [[], []],
    );
    await append(upsert(a![0]!));
    const broken = faulty(store, (op, _call, batch) => {
      if (op !== 'apply') return null;
      return { kind: 'reject', error: batch!.partition === 0 ? unreachable() : refused };
    });
    let tries = 0;
    const run = start(log, broken, {
      backoff: { first: 60_000, longest: 60_000 },
      observe: { ...silentObserver, retrying: () => void tries++ },
    });
    await until(() => tries > 0, 'partition 0 waits');
    await append(upsert(b![0]!));
    expect(await run.ended).toBe(refused);
  });

  test('has one batch of a partition in flight, in order, and partitions side by side', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const begun: ViewBatch[] = [];
    const slow = faulty(store, (op, _call, batch) => {
      if (op !== 'apply') return null;
      begun.push(batch!);
      return { kind: 'hold', until: held };
    });
    const ids = Array.from({ length: 40 }, (_, i) => i);
    await append(...ids.map((n) => upsert(n)));
    const run = start(log, slow);
    await until(() => begun.length === 2, 'both partitions apply');
    await append(...ids.map((n) => upsert(n, 'later')));
    for (let i = 0; i < 50; i++) await new Promise(setImmediate);
    expect(begun.map((b) => b.partition).sort()).toEqual([0, 1]);
    release();
    await until(() => caughtUp(log, store), 'caught up');
    await run.stop();
    expect(await rowsOf(store)).toEqual(ids.map((n) => cardOf(n, { name: 'later', visits: n })));
    for (const partition of [0, 1]) {
      const own = begun.filter((b) => b.partition === partition);
      for (const [i, batch] of own.entries()) expect(batch.from).toBe(i === 0 ? 0 : own[i - 1]!.next);
    }
  });

  test.each([true, false])(
    'in the background (%s) it applies in short steps with turns for others between, once those write to the store',
    async (background) => {
      const path = folder.path(`store${files++}.db`);
      const sqlite = await openSqliteStore({ path });
      const another = await openSqliteStore({ path });
      const ids = Array.from({ length: 3_000 }, (_, i) => i);
      await append(...ids.map((n) => upsert(n)));
      let turns = 0;
      let stopped = false;
      const others = (async () => {
        for (; !stopped; turns++) await new Promise(setImmediate);
      })();
      const applied: { rows: number; turns: number }[] = [];
      const watched = faulty(sqlite, (op, _call, batch) => {
        if (op === 'apply') applied.push({ rows: batch!.changes.length, turns });
        return null;
      });
      const run = start(log, watched, { background: () => background });
      await until(() => caughtUp(log, sqlite), 'caught up');
      // Alone it takes all that there is at once.
      expect(Math.max(...applied.splice(0).map(({ rows }) => rows))).toBeGreaterThan(500);
      await (await another.open(customerCard.shape, 7)).claim('another', 0);
      await append(...ids.map((n) => upsert(n)));
      await until(() => caughtUp(log, sqlite), 'caught up again');
      await run.stop();
      await another.close();
      stopped = true;
      await others;
      expect(await rowsOf(sqlite)).toEqual(ids.map((n) => cardOf(n, { name: `n${n}`, visits: n })));
      const most = Math.max(...applied.map(({ rows }) => rows));
      if (background) {
        expect(most).toBe(500);
        for (const [i, at] of applied.entries())
          if (i > 0) expect(at.turns).toBeGreaterThan(applied[i - 1]!.turns);
      } else expect(most).toBeGreaterThan(500);
      await sqlite.close();
    },
  );

  test('waits for a schema registry that is down', async () => {
    await append(upsert(1));
    let down = 3;
    const dead: string[] = [];
    const shaky: Log = Object.create(log, {
      schemas: {
        value: {
          register: log.schemas.register.bind(log.schemas),
          schema: async (schemaId: number) => {
            if (down-- > 0)
              throw new InsideoutError('SCHEMA_UNREACHABLE', 'The registry is down.', { hint: 'Wait.' });
            return log.schemas.schema(schemaId);
          },
        },
      },
      ...Object.fromEntries(
        (['consume', 'partitions', 'append', 'recover', 'ensureTopics'] as const).map((name) => [
          name,
          { value: (log[name] as (...args: unknown[]) => unknown).bind(log) },
        ]),
      ),
    });
    const run = start(shaky, store, {
      observe: { ...silentObserver, deadLettered: ({ error }) => void dead.push(error.code) },
    });
    await until(() => caughtUp(log, store), 'caught up');
    expect(await run.stop()).toBeNull();
    expect(dead).toEqual([]);
    expect(await (await activeOf(store)).count()).toBe(1);
  });

  test('records of erased rows are not taken, and counted', async () => {
    const rows: ErasedRows = {
      none: () => false,
      has: (_topic, key) => key.id === 2n,
      refusal: (_topic, key) => (key.id === 2n ? 'erased' : key.id === 3n ? 'stale' : null),
      ends: () => new Map(),
    };
    const kept: number[] = [];
    const run = start(log, store, {
      erased: new ErasedKeys(rows, { topic, key: { customer_id: 'id' } }, customerCard.shape),
      observe: { ...silentObserver, keptOut: (records) => void kept.push(records) },
    });
    await append(upsert(1), upsert(2), upsert(3), upsert(2), { op: 'remove', id: 2 });
    await until(() => caughtUp(log, store), 'caught up');
    expect(await run.stop()).toBeNull();
    expect((await rowsOf(store)).map((row) => row.customer_id)).toEqual([1n]);
    expect(kept.reduce((sum, n) => sum + n, 0)).toBe(3);
  });

  test('two of one group share the partitions and neither is fenced out', async () => {
    const assigned: string[] = [];
    const observed = (who: string): ViewObserver => ({
      ...silentObserver,
      assigned: (_topic, partition) => void assigned.push(`${who}${partition}`),
    });
    const one = start(log, store, { observe: observed('a') });
    await until(() => assigned.length === 2, 'one has both');
    const two = start(log, store, { observe: observed('b') });
    await append(...Array.from({ length: 50 }, (_, n) => upsert(n)));
    await until(() => assigned.some((a) => a.startsWith('b')), 'two has one');
    await append(...Array.from({ length: 50 }, (_, n) => upsert(n, 'later')));
    await until(() => caughtUp(log, store), 'caught up');
    expect([await one.stop(), await two.stop()]).toEqual([null, null]);
    expect((await rowsOf(store)).map((row) => row.label)).toEqual(Array(50).fill('later'));
  });

  test('of two that share no group, the one that was overtaken throws VIEW_FENCED', async () => {
    const assigned: string[] = [];
    const one = start(log, store, {
      reassignmentMs: 20,
      observe: { ...silentObserver, assigned: (_t, partition) => void assigned.push(`a${partition}`) },
    });
    await until(() => assigned.length === 2, 'one has both');
    const two = start(log, store, {
      group: 'another',
      observe: { ...silentObserver, assigned: (_t, partition) => void assigned.push(`b${partition}`) },
    });
    await until(() => assigned.length === 4, 'two has both');
    await append(...Array.from({ length: 10 }, (_, n) => upsert(n)));
    expect(await one.ended).toMatchObject({ code: 'VIEW_FENCED' });
    await until(() => caughtUp(log, store), 'two went on');
    expect(await two.stop()).toBeNull();
    expect(await (await activeOf(store)).count()).toBe(10);
  });
});
