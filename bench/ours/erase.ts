import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import type { ViewStore } from '../../connectors/sink/view-store.ts';
import type { ViewShape } from '../../core/view.ts';
import type { Config } from '../../daemon/config/descriptors.ts';
import { countUntil, type Measured } from '../measure/counted.ts';
import { treeUsage, type Usage } from '../measure/process-tree.ts';
import { createCustomers } from '../workload/customers.ts';
import { connect } from '../workload/orders.ts';
import { dropReplication } from '../workload/slots.ts';
import { Workplace } from './daemon.ts';

export interface EraseRun {
  readonly name: string;
  readonly url: string;
  readonly customers: number;
  /** How many of them are erased at once, spread over all. */
  readonly subjects: number;
  readonly profile: string | null;
}

export interface Erased {
  readonly measured: Measured;
  /** From the start of the process until none of the rows was in the database any more. */
  readonly deletedSeconds: number;
}

const usageMs = 250;
const deletedMs = 50;

/**
 * Erases many subjects with one command, of tables of this size, on the embedded Log and SQLite: from the start of
 * the process until all certificates are signed. A record is a subject.
 */
export async function runErase({ name, url, customers, subjects, profile }: EraseRun): Promise<Erased> {
  await createCustomers(url, customers);
  const place = new Workplace(configOf(name, url), { profile });
  const store = await openSqliteStore({ path: join(place.folder, 'views.db') });
  const daemon = place.start('up', '--http-port', 'off');
  for (const shape of shapes)
    await countUntil({ ...daemon, count: () => appliedTo(store, shape), target: customers });
  const step = Math.floor(customers / subjects);
  const ids = Array.from({ length: subjects }, (_, i) => 1 + i * step);
  writeFileSync(join(place.folder, 'ids'), ids.join('\n'));
  const client = await connect(url);
  const process = place.start('erase', 'customer', '--file', 'ids', '--wait');
  let usage: Usage = { cpuSeconds: 0, peakRssMb: 0 };
  const timer = setInterval(() => {
    usage = treeUsage(process.pid) ?? usage;
  }, usageMs);
  const deleting = countUntil({
    ...process,
    count: deletedOf(client, ids),
    target: subjects,
    pollMs: deletedMs,
  });
  const ended = process.ended().then(() => performance.now());
  const [deleted, endedAt] = await Promise.all([deleting, ended]).finally(() => clearInterval(timer));
  const totalSeconds = (endedAt - process.startedAt) / 1000;
  await client.end();
  await daemon.stop();
  await store.close();
  place.remove();
  await dropReplication(url);
  const measured = {
    recordsPerSecond: subjects / totalSeconds,
    cpuSecondsPerMillion: (usage.cpuSeconds / subjects) * 1e6,
    peakRssMb: usage.peakRssMb,
    firstSeconds: 0,
    totalSeconds,
  };
  return { measured, deletedSeconds: deleted.totalSeconds };
}

/** How many of the customers are gone. */
const deletedOf = (client: pg.Client, ids: readonly number[]) => async (): Promise<number> => {
  const { rowCount } = await client.query('select from customers where id = any($1)', [ids]);
  return ids.length - (rowCount ?? 0);
};

const shapes: readonly ViewShape[] = [
  { name: 'card', key: ['id'], columns: { id: 'bigint', email: 'text', name: 'text' } },
  { name: 'purchase', key: ['id'], columns: { id: 'bigint', customer_id: 'bigint', note: 'text' } },
];

/** Records up to the checkpoint of what readers see. */
async function appliedTo(store: ViewStore, shape: ViewShape): Promise<number> {
  const id = await store.active(shape.name);
  if (id === null) return 0;
  const checkpoint = await (await store.open(shape, id)).checkpoint();
  return [...checkpoint.values()].reduce((sum, next) => sum + next, 0);
}

const configOf = (name: string, url: string): Config => ({
  sources: { [name]: { kind: 'postgres', url, tables: ['public.customers', 'public.purchases'] } },
  log: { kind: 'embedded', path: 'log.db' },
  stores: { local: { kind: 'sqlite', path: 'views.db' } },
  views: shapes.map((shape, i) => ({
    ...shape,
    from: `${name}.public.${['customers', 'purchases'][i]}`,
    store: 'local',
    key: [...shape.key],
  })),
  subjects: { customer: { source: name, is: ['public.customers.id', 'public.purchases.customer_id'] } },
});
