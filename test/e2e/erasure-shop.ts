import { randomUUID } from 'node:crypto';
import { type ErasureProject, insert, poison, type ViewName, valuesOf } from './erasure-project.ts';

/** What the application does meanwhile; customers are numbered among those that are left. */
export type Write =
  | { readonly do: 'order'; readonly of: number }
  | { readonly do: 'rename'; readonly of: number }
  /** An order with its payment goes to another customer. */
  | { readonly do: 'give'; readonly of: number; readonly to: number }
  | { readonly do: 'join' };

export type CustomerRows = Readonly<Record<'customers' | 'orders' | 'payments', readonly string[]>>;

/** The application's side of an erasure project: who is left, and every value that was one customer's alone. */
export class Shop {
  readonly #project: ErasureProject;
  readonly #left: number[];
  /** The row that each value was in. */
  readonly #values = new Map<string, { readonly table: 'customers' | 'payments'; readonly id: number }>();
  #next = 1_000;

  private constructor(project: ErasureProject, left: number[]) {
    this.#project = project;
    this.#left = left;
    for (const id of left) this.#joined(id);
  }

  static async open(project: ErasureProject): Promise<Shop> {
    const { rows } = await project.db.client.query('select id from customers order by id');
    return new Shop(
      project,
      rows.map((row) => Number(row.id)),
    );
  }

  #joined(id: number): void {
    const [email, card] = valuesOf(id);
    this.#values.set(email!, { table: 'customers', id });
    this.#values.set(card!, { table: 'payments', id });
  }

  /** Different customers that are left; the first is one that cannot be applied, now and then. */
  pick(numbers: readonly number[]): number[] {
    return [...new Set(numbers.map((n) => this.#left[n % this.#left.length]!))];
  }

  erased(ids: readonly number[]): void {
    for (const id of ids) this.#left.splice(this.#left.indexOf(id), 1);
  }

  /** Does it, as far as the database allows: rows may be gone or locked, since they are erased meanwhile. */
  async write(write: Write, subject?: number): Promise<void> {
    const { client } = this.#project.db;
    const id = this.#next++;
    const [of] =
      subject === undefined || write.do === 'join' ? this.pick(['of' in write ? write.of : 0]) : [subject];
    try {
      if (write.do === 'join') {
        await insert(this.#project.db, id, id);
        this.#joined(id);
        this.#left.push(id);
      } else if (write.do === 'order') {
        const card = `CARD-${id}-${randomUUID()}`;
        this.#values.set(card, { table: 'payments', id: id + 100_000 });
        await client.query(
          `with o as (insert into orders values ($1, $2, 'late') returning id) insert into payments select id, id, $3 from o`,
          [id + 100_000, of, card],
        );
      } else if (write.do === 'rename') {
        const email = `new.${randomUUID()}@example.org`;
        this.#values.set(email, { table: 'customers', id: of! });
        await client.query('update customers set email = $2, name = $3 where id = $1', [
          of,
          email,
          `Renamed ${id}`,
        ]);
      } else {
        const [to] = this.pick([write.to]);
        // Half of them come to the subject, half go from it.
        const [from, into] = write.of % 2 === 0 ? [of, to] : [to, of];
        await client.query(
          'update orders set customer_id = $2 where id = (select min(id) from orders where customer_id = $1)',
          [from, into],
        );
      }
    } catch (error) {
      if (!['23503', '40P01'].includes((error as { code?: string }).code ?? '')) throw error;
    }
  }

  /** What the application is to delete of a customer: ids by table. */
  async rowsOf(customer: number): Promise<CustomerRows> {
    const { rows } = await this.#project.db.client.query(
      `select json_build_object('customers', array(select id::text from customers where id = $1),
         'orders', array(select id::text from orders where customer_id = $1),
         'payments', array(select p.id::text from payments p join orders o on o.id = order_id where customer_id = $1)) as ids`,
      [customer],
    );
    return JSON.parse(rows[0].ids);
  }

  /** As the application deletes a customer itself: these rows, unless others came meanwhile or some went. */
  async remove(customer: number, { orders, payments }: CustomerRows): Promise<void> {
    try {
      await this.#project.db.client.query(
        `with p as (delete from payments using orders o
             where o.id = order_id and o.customer_id = ${customer} and payments.id = any($2)),
           o as (delete from orders where customer_id = ${customer} and id = any($1)),
           r as (update reviews set author = 'somebody', email = 'app-' || gen_random_uuid() where customer = ${customer})
         delete from customers where id = ${customer}`,
        [orders, payments],
      );
    } catch (error) {
      if ((error as { code?: string }).code !== '23503') throw error;
    }
  }

  /** Values of rows that are not in the database any more. */
  async gone(): Promise<string[]> {
    const there = new Set<string>();
    for (const table of ['customers', 'payments'] as const)
      for (const { id } of (await this.#project.db.client.query(`select id from ${table}`)).rows)
        there.add(`${table} ${id}`);
    return [...this.#values]
      .filter(([, { table, id }]) => !there.has(`${table} ${id}`))
      .map(([value]) => value);
  }

  /** The rows of each view as texts, as the database makes them. */
  async views(): Promise<Record<ViewName, string[]>> {
    const rows = async (sql: string) =>
      (await this.#project.db.client.query(sql)).rows
        .map((row) => JSON.stringify(Object.values(row).map(String)))
        .sort();
    return {
      customer: await rows('select id, email, name from customers'),
      copy: await rows('select id, email from customers'),
      orders: await rows('select id, customer_id, note from orders'),
      payments: await rows('select id, card from payments'),
      reviews: await rows('select id, author, email, stars from reviews'),
      picky: await rows(`select id, email from customers where id <> ${poison}`),
    };
  }
}
