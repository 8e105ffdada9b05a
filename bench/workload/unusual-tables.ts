import { connect } from './orders.ts';

export const manyTables = 500;
export const rowsOfEach = 20;
export const wideColumns = 1_000;

/** Many small tables in the schema `many`. */
export async function createMany(url: string): Promise<void> {
  const client = await connect(url);
  await client.query('drop schema if exists many cascade; create schema many');
  for (let i = 0; i < manyTables; i++)
    await client.query(
      `create table many.t${i} (id bigint primary key, name text);
       insert into many.t${i} select g, 'row ' || g from generate_series(1, ${rowsOfEach}) g`,
    );
  await client.end();
}

/** One table in the schema `wide` with a key and 999 other columns. */
export async function createWide(url: string, rows: number): Promise<void> {
  const client = await connect(url);
  const columns = Array.from({ length: wideColumns - 1 }, (_, i) => `c${i} int`);
  const values = Array.from({ length: wideColumns - 1 }, (_, i) => `g + ${i}`);
  await client.query('drop schema if exists wide cascade; create schema wide');
  await client.query(`create table wide.t (id bigint primary key, ${columns.join(', ')})`);
  await client.query(`insert into wide.t select g, ${values.join(', ')} from generate_series(1, ${rows}) g`);
  await client.end();
}
