import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import type { ViewStore } from '../../connectors/sink/view-store.ts';
import type { Checkpoint } from '../../core/position.ts';
import type { Config, StoreConfig } from '../../daemon/config/descriptors.ts';
import { countUntil, type Measured } from '../measure/counted.ts';
import { ordersColumns } from '../workload/orders.ts';
import { Workplace } from './daemon.ts';
import { kafkaLog } from './source.ts';

export const viewName = 'orders_view';
export const viewShape = { name: viewName, columns: ordersColumns, key: ['id'] } as const;

export interface ViewRun {
  readonly topic: string;
  readonly records: number;
  readonly store: StoreConfig;
  /** Opens the store from outside, to read the view's checkpoint. */
  open(): Promise<ViewStore>;
  readonly log?: Config['log'];
  /** First part of the names of groups and the topic of generations: a new one begins from nothing. */
  readonly namespace: string;
  readonly profile: string | null;
  /** How often the checkpoint is looked at. Default 25 ms. */
  readonly pollMs?: number;
}

export function viewConfig(run: ViewRun): Config {
  return {
    namespace: run.namespace,
    log: run.log ?? kafkaLog(),
    stores: { target: run.store },
    views: [{ name: viewName, from: run.topic, store: 'target', key: ['id'], columns: ordersColumns }],
  };
}

/** From the start of the process until the view's checkpoint is at the topic's end. */
export async function runView(run: ViewRun): Promise<Measured> {
  const place = new Workplace(viewConfig(run), { profile: run.profile });
  const store = await run.open();
  const daemon = place.start('view', 'run', '--http-port', 'off');
  const measured = await countUntil({
    ...daemon,
    count: checkpointOf(store, async () => store.active(viewName)),
    target: run.records,
    pollMs: run.pollMs,
  });
  await daemon.stop();
  await store.close();
  place.remove();
  return measured;
}

/** The same in a SQLite file of its own, which is removed. */
export async function runSqliteView(run: Omit<ViewRun, 'store' | 'open'>): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-bench-'));
  const path = join(folder, 'views.db');
  try {
    return await runView({ ...run, store: { kind: 'sqlite', path }, open: () => openSqliteStore({ path }) });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Records up to the checkpoint of a generation; 0 while there is none. */
export function checkpointOf(
  store: ViewStore,
  generation: () => Promise<number | null>,
): () => Promise<number> {
  let read: (() => Promise<Checkpoint>) | null = null;
  return async () => {
    if (!read) {
      const id = await generation();
      if (id === null) return 0;
      const opened = await store.open(viewShape, id);
      read = () => opened.checkpoint();
    }
    let sum = 0;
    for (const next of (await read()).values()) sum += next;
    return sum;
  };
}
