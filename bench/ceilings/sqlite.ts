import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Ceiling } from '../cases/case.ts';
import { type OrderRow, orderRow } from '../workload/orders.ts';

const perTransaction = 5_000;
const partitions = 4;

export interface SqliteLoop {
  readonly records: number;
  /** Off: neither journal nor syncing, as for a file that is thrown away when the machine goes down. */
  readonly durable: boolean;
}

/** Upserts of rows that are ready, in the order that a topic of four partitions gives them, 5,000 a transaction. */
export function sqliteAlone({ records, durable }: SqliteLoop): Ceiling {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-bench-'));
  const db = new Database(join(folder, 'rows.db'));
  db.pragma(`journal_mode = ${durable ? 'WAL' : 'OFF'}`);
  db.pragma(`synchronous = ${durable ? 'NORMAL' : 'OFF'}`);
  db.pragma('cache_size = -65536');
  db.exec(`create table rows (id integer primary key, customer_id integer, status text, amount text, note text,
    created_at text, updated_at text, "_partition" integer not null) strict`);
  const upsert = db.prepare(
    `insert into rows values (?, ?, ?, ?, ?, ?, ?, ?) on conflict do update set customer_id = excluded.customer_id,
      status = excluded.status, amount = excluded.amount, note = excluded.note, created_at = excluded.created_at,
      updated_at = excluded.updated_at, "_partition" = excluded."_partition"`,
  );
  const write = db.transaction((rows: readonly OrderRow[], partition: number) => {
    for (const r of rows)
      upsert.run(r.id, r.customer_id, r.status, r.amount, r.note, r.created_at, r.updated_at, partition);
  });
  let seconds = 0;
  for (const { rows, partition } of portions(records)) {
    const startedAt = performance.now();
    write(rows, partition);
    seconds += (performance.now() - startedAt) / 1000;
  }
  db.close();
  rmSync(folder, { recursive: true });
  const name = durable ? 'bare better-sqlite3 loop' : 'bare better-sqlite3 loop, no journal, no syncing';
  return { name, recordsPerSecond: records / seconds, compared: durable };
}

/** Making a portion is not measured; all rows at once would not fit in memory. */
function* portions(records: number): Generator<{ rows: OrderRow[]; partition: number }> {
  const span = perTransaction * partitions;
  for (let low = 1; low <= records; low += span)
    for (let partition = 0; partition < partitions; partition++) {
      const rows: OrderRow[] = [];
      for (let id = low + partition; id < low + span && id <= records; id += partitions)
        rows.push(orderRow(id));
      if (rows.length > 0) yield { rows, partition };
    }
}
