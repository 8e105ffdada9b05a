import type Database from 'better-sqlite3';
import type pg from 'pg';

/** By view: the query of Postgres that must give the same rows. */
export type Truths = Readonly<Record<string, string>>;

/** The views of `npm run demo`. */
export const truths: Truths = {
  customer_card: `select id::text, name, lower(email), created_at::text from customers`,
  product_price: `select sku, title, price::text, array_to_json(tags)::text from products`,
  open_order: `select id::text, customer_id::text, status, amount::text, updated_at::text from orders where status <> 'done'`,
  payment: `select order_id::text, no::text, amount::text, paid_at::text from payments`,
};

const newStatus = `case status when 'shipped' then 'on its way' else status end`;

/** The views of `npm run demo:rebuild`, once they are rebuilt. */
export const rebuiltTruths: Truths = {
  customer_card: `select id::text, name, email from customers`,
  order_card: `select id::text, customer_id::text, ${newStatus}, amount::text,
    case when amount < 50 then 'small' else 'large' end from orders`,
  open_order: `select id::text, customer_id::text, ${newStatus}, amount::text from orders where status <> 'done'`,
};

export interface Difference {
  readonly view: string;
  readonly rows: number;
  readonly missing: number;
  readonly extra: number;
}

/** Compares every view with its table, row by row and value by value. */
export async function compare(
  client: pg.Client,
  db: Database.Database,
  expected: Truths,
): Promise<Difference[]> {
  await client.query(`set timezone = 'UTC'`);
  const differences: Difference[] = [];
  for (const [view, query] of Object.entries(expected)) {
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
