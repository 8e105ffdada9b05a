import { connect } from './orders.ts';

/** Customers with an address of their own and an order each, made anew. */
export async function createCustomers(url: string, customers: number): Promise<void> {
  const client = await connect(url);
  await client.query(
    `drop table if exists purchases; drop table if exists customers;
     create table customers (id bigint primary key, email text unique, name text not null);
     create table purchases (id bigint primary key, customer_id bigint references customers, note text);
     insert into customers select n, 'person' || n || '@example.org', 'Person ' || n from generate_series(1, ${customers}) n;
     insert into purchases select n, n, 'ordered' from generate_series(1, ${customers}) n;
     create index on purchases (customer_id); analyze customers; analyze purchases`,
  );
  await client.end();
}
