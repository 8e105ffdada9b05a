import pg from 'pg';

/** The table of all cases: about 200 bytes a row. */
export const ordersColumns = {
  id: 'bigint',
  customer_id: 'bigint',
  status: 'text',
  amount: 'numeric',
  note: 'text',
  created_at: 'timestamp',
  updated_at: 'timestamp',
} as const;

export const changesPerTransaction = 100;

export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('set synchronous_commit = off; set client_min_messages = warning');
  return client;
}

/** Makes the table anew, with ids from 1. */
export async function createOrders(url: string, rows: number): Promise<void> {
  const client = await connect(url);
  await client.query(`
    drop table if exists orders;
    create table orders (id bigint primary key, customer_id bigint not null, status text not null,
      amount numeric(12,2) not null, note text, created_at timestamptz not null, updated_at timestamptz not null);
    insert into orders
      select g, (g * 7919) % 100000, (array['new','paid','packed','shipped','done'])[1 + (g % 5)::int],
        ((g * 31) % 1000000) / 100.0, rpad(md5(g::text) || md5((g + 1)::text), 110, 'x'),
        '2026-01-01'::timestamptz + g * interval '1 second', '2026-01-01'::timestamptz + g * interval '1 second'
      from generate_series(1::bigint, ${rows}) g`);
  await client.query('vacuum analyze orders');
  await client.query('checkpoint');
  await client.end();
}

/** A row as it was made by `createOrders`, for loops that need no database. */
export function orderRow(id: number): OrderRow {
  const time = new Date(Date.UTC(2026, 0, 1) + id * 1000).toISOString().replace('.000Z', '.000000Z');
  return {
    id,
    customer_id: (id * 7919) % 100_000,
    status: ['new', 'paid', 'packed', 'shipped', 'done'][id % 5]!,
    amount: (((id * 31) % 1_000_000) / 100).toFixed(2),
    note: `${id.toString(16).padStart(32, 'a')}${(id + 1).toString(16).padStart(32, 'b')}`.padEnd(110, 'x'),
    created_at: time,
    updated_at: time,
  };
}

export interface OrderRow {
  readonly id: number;
  readonly customer_id: number;
  readonly status: string;
  readonly amount: string;
  readonly note: string;
  readonly created_at: string;
  readonly updated_at: string;
}

/**
 * Writes changes in transactions of 100: 60 updates, 30 inserts, 10 deletes. The table must have as many rows as
 * there are changes; no row is deleted that is updated.
 */
export async function changeOrders(url: string, changes: number): Promise<void> {
  const client = await connect(url);
  await client.query(`
    create or replace procedure change_orders(transactions bigint, rows bigint) language plpgsql as $$
    declare t bigint; low bigint := rows / 10; span bigint := rows - rows / 10;
    begin
      for t in 0..transactions - 1 loop
        update orders set status = 'upd' || (t % 7), amount = amount + 1, updated_at = clock_timestamp()
          where id in (select low + 1 + ((t * 60 + i) * 7919) % span from generate_series(0::bigint, 59) i);
        insert into orders
          select rows + 1 + t * 30 + i, (t * 30 + i) % 100000, 'new', (t % 10000) / 100.0,
            rpad(md5((t * 30 + i)::text) || md5(t::text), 110, 'y'), clock_timestamp(), clock_timestamp()
          from generate_series(0::bigint, 29) i;
        delete from orders where id between t * 10 + 1 and t * 10 + 10;
        commit;
      end loop;
    end $$`);
  await client.query(`call change_orders(${changes / changesPerTransaction}, ${changes})`);
  await client.end();
}
