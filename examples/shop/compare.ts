import type Database from 'better-sqlite3';
import type pg from 'pg';

/** A view, and the query of Postgres that must give the same rows. */
const truths: Readonly<Record<string, string>> = {
  customer_card: `select id::text, name, lower(email), created_at::text from customers`,
  product_price: `select sku, title, price::text, array_to_json(tags)::text from products`,
  open_order: `select id::text, customer_id::text, status, amount::text, updated_at::text from orders where status <> 'done'`,
  payment: `select order_id::text, no::text, amount::text, paid_at::text from payments`,
};
export const views = Object.keys(truths);

export interface Difference {
  readonly view: string;
  readonly rows: number;
  readonly missing: number;
  readonly extra: number;
}

/** Compares every view with its table, row by row and value by value. */
export async function compare(client: pg.Client, db: Database.Database): Promise<Difference[]> {
  await client.query(`set timezone = 'UTC'`);
  const differences: Difference[] = [];
  for (const [view, query] of Object.entries(truths)) {
    const { rows } = await client.query({ text: query, rowMode: 'array' });
    const table = new Set(rows.map((row) => JSON.stringify(row)));
    const stored = (db.prepare(`select * from ${view}`).raw().all() as unknown[][]).map((row) =>
      JSON.stringify(row.map((v) => (v === null ? v : String(v)))),
    );
    const seen = new Set(stored);
    const extra = stored.filter((row) => !table.has(row)).length + (stored.length - seen.size);
    differences.push({
      view,
      rows: stored.length,
      missing: [...table].filter((row) => !seen.has(row)).length,
      extra,
    });
  }
  return differences;
}
