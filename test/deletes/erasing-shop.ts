import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import type { SourceEraser } from '../../connectors/source/erasure.ts';
import { type Begun, requestErasure, trackErasure } from '../../deletes/erase.ts';
import { ErasureGuard } from '../../deletes/guard.ts';
import { type Erasure, type Journal, openJournal } from '../../deletes/journal.ts';
import { KeyHasher } from '../../deletes/key-hash.ts';
import { waitUntilPassed } from '../../deletes/passing.ts';
import { settleRounds } from '../../deletes/rounds.ts';
import type { EmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { ErasedKeys } from '../../materializer/apply/erased.ts';
import { silentObserver } from '../../materializer/apply/observer.ts';
import { defineView, view } from '../../materializer/view-definition.ts';
import { customer, eraserOf, shopSchema, subject } from '../connectors/source/postgres/shop.ts';
import { capture, temporaryLog } from '../support/capture.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { runView } from '../support/run-view.ts';
import { rowText, viewRows } from '../support/view-rows.ts';

export const hasher = new KeyHasher(Buffer.from('secret'));
export const orders = 'shop.public.orders';
/** Customer 7 has the orders 13 and 14, customer 8 has 15 and 16. */
export const known = { name: 'customer', source: 'shop', ...subject(customer) };

export interface ErasingShop {
  readonly db: TestDatabase;
  readonly log: EmbeddedLog;
  readonly eraser: SourceEraser;
  readonly journal: Journal;
  request(id: string, by?: SourceEraser): Promise<Begun>;
  /** `wait` is what the application does meanwhile. */
  track(id: string, wait: () => Promise<unknown>, by?: SourceEraser): Promise<Begun>;
  /** As another process does that finishes what is open, up to where places are looked at. */
  finish(): Promise<readonly Erasure[]>;
  /** Which of these orders are kept out of views. */
  keptOut(...ids: number[]): boolean[];
  /** Changes every order, and waits until a view of them is what the database is. */
  expectInViews(): Promise<void>;
}

/** The shop, captured into an embedded Log, with a view of its orders. All of it ends with the test. */
export async function erasingShop(): Promise<ErasingShop> {
  const db = await createDatabase();
  await db.client.query(shopSchema);
  const log = await temporaryLog();
  const tables = ['customers', 'orders', 'payments'].map((t) => `public.${t}`);
  const running = capture(log, { url: db.url, tables });
  const eraser = eraserOf(db, { publication: 'shop' });
  const journal = await openJournal(log, 'n');
  const guard = new ErasureGuard(
    () => journal.state,
    () => hasher,
  );
  const shown = defineView(
    view({
      name: 'orders',
      from: orders,
      store: 's',
      columns: { id: 'int', customer_id: 'bigint', note: 'text' },
      key: ['id'],
    }),
  );
  const store = await openSqliteStore({
    path: join(mkdtempSync(join(tmpdir(), 'insideout-erasing-')), 'views.db'),
  });
  const stop = new AbortController();
  const erased = new ErasedKeys(guard, { topic: orders, key: {} }, shown.shape);
  const { signal } = stop;
  const applying = runView({ view: shown, store, log, signal, observe: silentObserver, erased });
  onTestFinished(async () => {
    stop.abort();
    await applying;
    await running.stop().catch(() => {});
    await store.close();
    await journal.close();
    await eraser.close();
    await log.close();
    await db.drop();
  });
  // A snapshot that is being read and a test that alters tables would wait for each other's locks.
  await eventually('its snapshot is taken', () => running.acknowledged.length > 0);
  const parts = { journal, hasher, shred: null };
  return {
    db,
    log,
    eraser,
    journal,
    request: (id, by = eraser) => requestErasure(known, id, { ...parts, eraser: by }),
    track: (id, wait, by = eraser) =>
      trackErasure(known, id, {
        ...parts,
        eraser: by,
        wait: async () => {
          await wait();
        },
      }),
    finish: async () => {
      const ids = [...(await journal.refresh()).erasures.keys()];
      await eventually('transactions have ended', () => settleRounds(ids, { journal, eraser }));
      const open = [...journal.state.erasures.values()];
      const signal = AbortSignal.timeout(60_000);
      await waitUntilPassed(open, { log, journal, source: 'shop', eraser, again: true, signal });
      return [...journal.state.erasures.values()];
    },
    keptOut: (...ids) => ids.map((id) => guard.has(orders, { id })),
    expectInViews: async () => {
      const { rows } = await db.client.query(
        `update orders set note = note || '!' returning id, customer_id, note`,
      );
      const expected = rows.map((row) => rowText(shown.shape, { ...row, id: Number(row.id) })).sort();
      let seen: string[] | null = null;
      await eventually('the view is what the database is', async () => {
        seen = await viewRows(store, shown.shape);
        return JSON.stringify(seen) === JSON.stringify(expected);
      }).catch(() => expect(seen).toEqual(expected));
    },
  };
}

/** An eraser, with something that happens between its calls. */
export const meanwhile = (
  eraser: SourceEraser,
  between: {
    looked?(): Promise<unknown>;
    /** With the rows written down, and before the commit. */
    deleting?(): Promise<unknown>;
    committed?(): Promise<unknown>;
    followed?(): Promise<unknown>;
  },
): SourceEraser => ({
  check: (of) => eraser.check(of),
  mark: (erasure) => eraser.mark(erasure),
  outcome: (transaction) => eraser.outcome(transaction),
  foreignKeys: () => eraser.foreignKeys(),
  close: () => eraser.close(),
  async find(of, id) {
    const found = await eraser.find(of, id);
    await between.looked?.();
    return found;
  },
  async follow(of, id, request) {
    const found = await eraser.follow(of, id, request);
    await between.followed?.();
    return found;
  },
  async erase(of, id, erasure) {
    const erased = await eraser.erase(of, id, {
      ...erasure,
      beforeCommit: async (found, by) => {
        await erasure.beforeCommit?.(found, by);
        await between.deleting?.();
      },
    });
    await between.committed?.();
    return erased;
  },
});

/** The journal of a process that is killed before it writes down its nth event of this type. */
export function killedBefore(journal: Journal, type: string, nth: number): Journal {
  let count = 0;
  const record: Journal['record'] = (happening) => {
    if (happening.type === type) count++;
    return count >= nth ? killed() : journal.record(happening);
  };
  return new Proxy(journal, {
    get: (of, name) => {
      if (name === 'record') return record;
      return name === 'state' ? of.state : Reflect.get(of, name).bind(of);
    },
  });
}

export const killed = () => Promise.reject(new Error('killed'));
