import { expect, onTestFinished, test } from 'vitest';
import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import { checkConfig } from '../../../daemon/config/check.ts';
import { effectsUnit } from '../../../daemon/effects-unit.ts';
import { Health } from '../../../daemon/health.ts';
import { createLogger } from '../../../daemon/logger.ts';
import { Management } from '../../../daemon/management.ts';
import { Metrics } from '../../../daemon/metrics.ts';
import { SharedCatalog } from '../../../daemon/shared-catalog.ts';
import { supervise } from '../../../daemon/supervisor.ts';
import { viewUnit } from '../../../daemon/view-unit.ts';
import { openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import type { ViewEffect } from '../../../materializer/apply/effects.ts';
import type { Effects } from '../../../materializer/view-definition.ts';
import { type Change, customersTopic, recordsOf, temporaryFolder, topic, until } from '../customers.ts';

const signal = new AbortController().signal;
const shape = {
  name: 'card',
  columns: { customer_id: 'bigint', label: 'text' },
  key: ['customer_id'],
} as const;

async function shop() {
  const folder = temporaryFolder();
  const log = await openEmbeddedLog({ path: folder.path('log.db') });
  const store = await openSqliteStore({ path: folder.path('views.db') });
  const customers = await customersTopic(log, 2);
  const closing: (() => Promise<unknown>)[] = [];
  const configOf = (run: Effects['run'], more: { from?: 'now' | 'start'; version?: number } = {}) =>
    checkConfig(
      {
        log: { kind: 'embedded', path: folder.path('log.db') },
        stores: { local: { kind: 'sqlite', path: folder.path('views.db') } },
        rebuild: { maxLag: 0, steadyMs: 0 },
        views: [
          {
            ...shape,
            from: topic,
            store: 'local',
            reads: { id: 'bigint', name: 'text' },
            key: { customer_id: 'id' },
            row: ({ name }: { name: string }) => (name === 'hidden' ? null : { label: name }),
            version: more.version ?? 1,
            effects: { from: more.from ?? 'start', run },
          },
        ],
      },
      'test',
    );
  onTestFinished(async () => {
    for (const close of closing.reverse()) await close();
    await store.close();
    await log.close();
    folder.remove();
  });
  /** A process that keeps the view and tells its effects; resolves its end. */
  const start = (config: ReturnType<typeof configOf>) => {
    const stop = new AbortController();
    const catalog = new SharedCatalog(config);
    const health = new Health();
    const parts = { config, catalog, health, metrics: new Metrics(health), logger: createLogger('silent') };
    const units = config.views.flatMap((view) => [viewUnit(view, parts), effectsUnit(view, parts)]);
    const done = supervise(units, {
      signal: stop.signal,
      events: { started() {}, restarting() {}, stopped() {} },
    }).then(() => catalog.close());
    const end = () => {
      stop.abort();
      return done;
    };
    closing.push(end);
    return end;
  };
  const operate = async <T>(config: ReturnType<typeof configOf>, work: (m: Management) => Promise<T>) => {
    const management = await Management.open(config);
    try {
      return await work(management);
    } finally {
      await management.close();
    }
  };
  return {
    configOf,
    start,
    write: (changes: readonly Change[]) => log.append(changes.flatMap((c) => recordsOf(c, customers))),
    shown: async (id: number) => {
      const active = await store.active('card');
      return active === null ? null : (await store.open(shape, active)).get([BigInt(id)]);
    },
    checkpoint: async () => (await store.open(shape, (await store.active('card'))!)).checkpoint(),
    rebuild: (config: ReturnType<typeof configOf>) =>
      operate(config, async (m) => {
        const { entries } = await m.stage('card', signal);
        const reports = await m.gate(entries, { force: false, waitMs: 10_000, signal });
        await m.move(entries, { kind: 'promote', reports, force: false });
      }),
    rollback: (config: ReturnType<typeof configOf>) =>
      operate(config, async (m) => {
        const entries = m.replaced('card');
        const reports = await m.gate(entries, { force: false, waitMs: 10_000, signal }, false);
        await m.move(entries, { kind: 'rollback', reports, force: false });
      }),
  };
}

const upsert = (id: number, name: string): Change => ({ op: 'upsert', id, customer: { name, visits: 0 } });
const place = ({ position: p }: ViewEffect) => `${p.partition}/${p.offset}`;
/** What was told, without the positions; texts that can be compared. */
const texts = (told: readonly ViewEffect[]) =>
  told.map((e) =>
    e.op === 'upsert' ? `${e.key[0]}=${e.row.label}` : e.op === 'delete' ? `${e.key[0]}-` : 't',
  );
const times = (told: readonly ViewEffect[]) => {
  const counts = new Map<string, number>();
  for (const effect of told) counts.set(place(effect), (counts.get(place(effect)) ?? 0) + 1);
  return [...counts.values()];
};

test('each change is told once, in the order of its key, and after readers see it', async () => {
  const { configOf, start, write, checkpoint } = await shop();
  const told: ViewEffect[] = [];
  let early = 0;
  start(
    configOf(async (changes) => {
      const next = await checkpoint();
      for (const { position: p } of changes)
        if ((next.get(`${p.topic}/${p.partition}`) ?? 0) <= p.offset) early++;
      told.push(...changes);
    }),
  );
  await write([upsert(1, 'a'), upsert(2, 'b'), upsert(1, 'c'), upsert(2, 'hidden')]);
  await write([{ op: 'remove', id: 1 }, upsert(1, 'd')]);
  await write([{ op: 'truncate' }]);
  await until(() => told.length >= 8, 'everything is told');
  expect(texts(told).filter((t) => t.startsWith('1'))).toEqual(['1=a', '1=c', '1-', '1=d']);
  expect(texts(told).filter((t) => t.startsWith('2'))).toEqual(['2=b', '2-']);
  expect(texts(told).filter((t) => t === 't')).toHaveLength(2);
  expect(times(told).every((n) => n === 1)).toBe(true);
  expect(early).toBe(0);
});

test('a rebuild, its promotion and a rollback tell nothing a second time, and leave nothing out', async () => {
  const { configOf, start, write, rebuild, rollback } = await shop();
  const told: ViewEffect[] = [];
  const run: Effects['run'] = (changes) => {
    told.push(...changes);
  };
  const former = configOf(run);
  const changed = configOf(run, { version: 2 });
  start(former);
  start(changed);
  await write([upsert(1, 'a'), upsert(2, 'b')]);
  await until(() => told.length >= 2, 'the first are told');
  await rebuild(changed);
  await write([upsert(3, 'c')]);
  await until(() => told.length >= 3, 'the new generation tells what is new');
  await rollback(changed);
  await write([upsert(4, 'd'), { op: 'remove', id: 1 }]);
  await until(() => told.length >= 5, 'the former generation tells what is new');
  await rebuild(changed);
  await write([upsert(5, 'e')]);
  await until(() => told.length >= 6, 'the last is told');
  expect(texts(told).sort()).toEqual(['1-', '1=a', '2=b', '3=c', '4=d', '5=e']);
});

test('a function that throws is called again with the same changes, and the view does not wait for it', async () => {
  const { configOf, start, write, shown } = await shop();
  const calls: string[][] = [];
  let broken = true;
  start(
    configOf((changes) => {
      calls.push(texts(changes));
      if (broken) throw new Error('the webhook does not answer');
    }),
  );
  await write([upsert(1, 'a')]);
  await until(() => calls.length >= 2, 'it is called again');
  await write([upsert(1, 'b')]);
  await until(async () => (await shown(1))?.label === 'b', 'the view goes on');
  expect(calls.every((call) => call[0] === '1=a')).toBe(true);
  broken = false;
  await until(() => calls.at(-1)?.includes('1=b') === true, 'the rest is told');
});

test('what a process told and could not write down is told again by the next, and nothing is left out', async () => {
  const { configOf, start, write } = await shop();
  const told: ViewEffect[] = [];
  let attempts = 0;
  const end = start(
    configOf((changes) => {
      told.push(...changes);
      attempts++;
      throw new Error('told, and then it dies');
    }),
  );
  await write([upsert(1, 'a'), upsert(1, 'b')]);
  await until(() => attempts > 0, 'it was told');
  await end();
  const again: ViewEffect[] = [];
  start(
    configOf((changes) => {
      again.push(...changes);
    }),
  );
  await write([upsert(1, 'c')]);
  await until(() => again.length >= 3, 'all is told');
  expect(texts(again)).toEqual(['1=a', '1=b', '1=c']);
  // By their positions whoever is told can see that it is the same.
  expect(place(again[0]!)).toBe(place(told[0]!));
});

test('a view that gets effects later tells what comes from then on, unless it is to tell all there is', async () => {
  const { configOf, start, write, shown } = await shop();
  const told: ViewEffect[] = [];
  const now = configOf(
    (changes) => {
      told.push(...changes);
    },
    { from: 'now' },
  );
  await write([upsert(1, 'a')]);
  start(now);
  await until(async () => (await shown(1)) !== null, 'the view has it');
  let n = 0;
  // The first that is told comes after the mark was set, at a moment that only the process knows.
  await until(async () => {
    await write([upsert(2, String(n++))]);
    return told.length > 0;
  }, 'something is told');
  expect(texts(told).some((t) => t.startsWith('1'))).toBe(false);
});
