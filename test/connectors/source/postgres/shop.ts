import type { SubjectPlace, SubjectTables } from '../../../../connectors/source/erasure.ts';
import { type EraserOptions, postgresEraser } from '../../../../connectors/source/postgres/erase.ts';
import { slotOf } from '../../../support/capture.ts';
import type { TestDatabase } from '../../../support/database.ts';

/** Customers, their orders, and the payments of these. */
export const shopSchema = `
  create table customers (id bigint primary key, email text unique, name text not null);
  create table orders (id int primary key, customer_id bigint references customers, note text);
  create index on orders (customer_id);
  create table payments (shop text, no int, order_id int references orders, card text, primary key (shop, no));
  create index on payments (order_id);
  create publication shop for all tables with (publish_via_partition_root = true);
  insert into customers select n, 'person' || n || '@example.org', 'Person ' || n from generate_series(1, 20) n;
  insert into orders select n, (n - 1) / 2 + 1, 'order ' || n from generate_series(1, 40) n;
  insert into payments select 'it''s', n, n, 'card ' || n from generate_series(1, 40) n`;

export const eraserOf = (db: TestDatabase, options: Partial<EraserOptions> = {}) =>
  postgresEraser({ name: 'shop', url: db.url, publication: 'shop', slot: slotOf(db.url), ...options });

/** A subject from lines as they stand in the config. */
export function subject(
  is: readonly string[],
  anonymise: Record<string, Record<string, string | number | boolean | null>> = {},
): SubjectTables {
  return {
    tables: is.map((line): SubjectPlace => {
      const [place, to] = line.split(' -> ');
      const at = place!.lastIndexOf('.');
      const [schema, table, column] = to?.split('.') ?? [];
      const name = place!.slice(0, at);
      const set = anonymise[name];
      return {
        table: name,
        column: place!.slice(at + 1),
        through: to === undefined ? null : { table: `${schema}.${table}`, column: column ?? null },
        policy: set ? { kind: 'anonymise', set } : { kind: 'delete' },
      };
    }),
  };
}

export const customer = [
  'public.customers.id',
  'public.orders.customer_id',
  'public.payments.order_id -> public.orders',
];

export async function count(db: TestDatabase, sql: string): Promise<number> {
  const { rows } = await db.client.query(`select count(*) as n from ${sql}`);
  return Number(rows[0].n);
}

/** Follows the logical messages that are written from now on. */
export async function messages(db: TestDatabase): Promise<() => Promise<Record<string, string>[]>> {
  const slot = `${slotOf(db.url)}_messages`;
  await db.client.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
  return async () => {
    const { rows } = await db.client.query(
      `select encode(substr(data, 24), 'escape') as content from pg_logical_slot_peek_binary_changes($1, null, null,
         'proto_version', '1', 'publication_names', 'shop', 'messages', 'true') where substr(data, 1, 1) = 'M'`,
      [slot],
    );
    return rows.map((row) => JSON.parse(row.content.slice(row.content.indexOf('{'))));
  };
}
