import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import type { Generation } from '../../../connectors/sink/view-store.ts';
import { postgresBarriers } from '../../../connectors/source/postgres/barrier-emitter.ts';
import { consistencyToken } from '../../../connectors/source/postgres/consistency-token.ts';
import { silentObserver } from '../../../materializer/apply/observer.ts';
import { runGeneration } from '../../../materializer/apply/run-generation.ts';
import { openBarriers, openReader } from '../../../materializer/reading/open-reader.ts';
import type { Hop } from '../../../materializer/reading/wait.ts';
import { defineView, type ViewDefinition, view } from '../../../materializer/view-definition.ts';
import { capture, slotOf, temporaryLog } from '../../support/capture.ts';
import { createDatabase } from '../../support/database.ts';
import { eventually } from '../../support/eventually.ts';

const topic = 'shop.public.t';
const columns = { id: 'int', n: 'int' } as const;
const base = defineView(view({ name: 'base', from: topic, store: 's', columns, key: ['id'] }));
const card = defineView(view({ name: 'card', from: { view: 'base' }, store: 's', columns, key: ['id'] }));
const viewTopic = (id: number) => `insideout.view.base.g${id}`;

const slowed = (generation: Generation): Generation =>
  new Proxy(generation, {
    get: (target, name) => {
      if (name === 'apply')
        return async (...args: Parameters<Generation['apply']>) => {
          await pause(Math.random() * 60);
          await target.apply(...args);
        };
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

test('a view that reads a view shows the own write as well, while both are swapped again and again', async () => {
  const db = await createDatabase();
  const log = await temporaryLog();
  const store = await openSqliteStore({
    path: join(mkdtempSync(join(tmpdir(), 'insideout-chain-')), 'views.db'),
  });
  await db.client.query('create table t (id int primary key, n int not null)');
  const running = capture(log, { url: db.url, tables: ['public.t'], partitions: 2 });
  await eventually('the snapshot is complete', () => running.acknowledged.length > 0);
  const stop = new AbortController();
  const run = async (
    definition: ViewDefinition,
    id: number,
    parts: { input: string; output: string | null },
  ) => {
    const generation = slowed(await store.open(definition.shape, id));
    const group = `${definition.shape.name}.${id}`;
    const options = {
      view: definition,
      generation,
      log,
      group,
      signal: stop.signal,
      observe: silentObserver,
    };
    return runGeneration({ ...options, ...parts });
  };
  const runs = [1, 2].flatMap((id) => [
    run(base, id, { input: topic, output: viewTopic(id) }),
    run(card, id, { input: viewTopic(id), output: null }),
  ]);
  for (const run of runs) run.catch(() => {});
  const bases = new Map<number, Generation>();
  for (const id of [1, 2]) {
    bases.set(id, await store.open(base.shape, id));
    await store.open(card.shape, id);
  }
  await store.promote([{ view: card.shape, from: null, to: 1 }]);

  const emitter = postgresBarriers({ url: db.url, slot: slotOf(db.url) });
  const barriers = openBarriers({ source: 'shop', log, emitter });
  // Each generation of the card is made from the base of the same number.
  const hops = async (generation: Generation): Promise<Hop[]> => [
    { generation: bases.get(generation.id)!, input: topic },
    { generation, input: viewTopic(generation.id) },
  ];
  const read = openReader({ store, view: card.shape, log, barriers, hops });
  try {
    for (let n = 0; n < 100; n++) {
      await db.client.query('insert into t values ($1, $2) on conflict (id) do update set n = excluded.n', [
        n % 7,
        n,
      ]);
      const after = await consistencyToken(db.client, 'shop');
      const reading = read.get([n % 7], { after, timeoutMs: 10_000 });
      if (n % 5 === 0) {
        const from = (await store.active('card'))!;
        await store.promote([{ view: card.shape, from, to: 3 - from }]);
      }
      expect(await reading).toEqual({ id: n % 7, n });
    }
  } finally {
    stop.abort();
    await Promise.allSettled(runs);
    await barriers.shared.close();
    await running.stop();
    await store.close();
    await log.close();
    await db.drop();
  }
});
