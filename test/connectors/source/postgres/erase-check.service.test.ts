import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SourceEraser, SubjectTables } from '../../../../connectors/source/erasure.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { customer, eraserOf, shopSchema, subject } from './shop.ts';

let db: TestDatabase;
let eraser: SourceEraser;

beforeEach(async () => {
  db = await createDatabase();
  await db.client.query(shopSchema);
  eraser = eraserOf(db);
});
afterEach(async () => {
  await eraser.close();
  await db.drop();
});

/** Severity, sentence and mend of what is not well. */
const problems = async (of: SubjectTables) =>
  (await eraser.check(of)).filter((f) => !f.ok).map((f) => `${f.severity}: ${f.message} ${f.mend}`);

test('a subject that fits the catalog has no problems', async () => {
  expect(await problems(subject(customer))).toEqual([]);
  expect((await eraser.check(subject(customer))).length).toBe(6);
});

test('tables, columns, types and the order of what is listed are compared with the catalog', async () => {
  await db.client.query(`create table logs (customer text, id int primary key); create index on logs (customer);
    create view shown as select * from customers; create table keyless (customer_id bigint references customers)`);
  expect(await problems(subject(['public.nobody.id', 'public.shown.id', 'public.orders.customer']))).toEqual([
    'error: There is no table public.nobody. Correct its name: schema.table.column.',
    'error: There is no table public.shown. Correct its name: schema.table.column.',
    'error: public.orders has no column customer. Correct its name.',
  ]);
  const found = await problems(
    subject([
      'public.customers.id',
      'public.payments.order_id -> public.orders',
      'public.orders.customer_id',
      'public.logs.customer',
      'public.keyless.customer_id',
    ]),
  );
  expect(found).toEqual([
    expect.stringMatching(/^error: public.keyless has no key.*ADD PRIMARY KEY/),
    expect.stringMatching(
      /^error: public.payments is found through public.orders, which is not listed before it/,
    ),
    expect.stringMatching(
      /^error: public.logs.customer is of the type text, but public.customers.id is bigint/,
    ),
    expect.stringMatching(/^warning: No index begins with public.keyless.customer_id/),
  ]);
});

test('a missing index and a missing foreign key are warnings with the statement that makes them', async () => {
  await db.client.query(`create table notes (id int primary key, customer_id bigint);
    create index on notes (customer_id) where id > 5;
    create table "Part" (id int primary key, c bigint references customers) partition by hash (id)`);
  const found = await problems(subject([...customer, 'public.notes.customer_id', 'public.Part.c']));
  expect(found).toEqual([
    expect.stringContaining(
      'ALTER TABLE "public"."notes" ADD FOREIGN KEY ("customer_id") REFERENCES "public"."customers" ("id");',
    ),
    expect.stringContaining('CREATE INDEX CONCURRENTLY ON "public"."notes" ("customer_id");'),
    expect.stringContaining('CREATE INDEX ON "public"."Part" ("c");'),
  ]);
  for (const mend of found) await db.client.query(mend.slice(mend.search(/ALTER|CREATE/)));
  await db.client.query('drop index notes_customer_id_idx');
  expect(await problems(subject([...customer, 'public.Part.c', 'public.notes.customer_id']))).toEqual([]);
});

test('a foreign key that is not listed is a warning with its line, and an error where its rows would vanish', async () => {
  await db.client.query(`
    alter table orders add unique (id, customer_id), add payer bigint references customers;
    create table wishes (id int primary key, customer_id bigint references customers on delete cascade);
    create table visits (id int primary key, customer_id bigint references customers on delete set null);
    create table items (id int primary key, o int, c bigint, foreign key (o, c) references orders (id, customer_id) on delete cascade);
    create table parts (id int, c bigint references customers, primary key (id)) partition by hash (id);
    create table part_0 partition of parts for values with (modulus 1, remainder 0)`);
  const found = await problems(subject(customer));
  expect(found.sort()).toEqual([
    expect.stringMatching(/^error: Rows of public.items .*Add to `is`: public.items.o -> public.orders.id$/),
    expect.stringMatching(
      /^error: Rows of public.wishes .* by a cascade, untracked. Add to `is`: public.wishes.customer_id$/,
    ),
    expect.stringMatching(
      /^warning: public.orders refers to public.customers .* by payer. Add to `is`: public.orders.payer$/,
    ),
    expect.stringMatching(/^warning: public.parts refers .* Add to `is`: public.parts.c$/),
    expect.stringMatching(/^warning: public.visits .*public.visits.customer_id$/),
  ]);
  const lines = found.map((text) => text.slice(text.indexOf('`is`: ') + 6));
  const rest = await problems(subject([...customer, ...lines]));
  expect(rest.filter((text) => !text.includes('No index'))).toEqual([]);
});

test('no mend names rows of others: neither of a table that refers to itself, nor by one column of several', async () => {
  await db.client.query(`
    alter table customers add referred_by bigint references customers, add last_order bigint references orders;
    create table people (tenant int, no int, customer_id bigint references customers, primary key (tenant, no));
    create table visits (id int primary key, tenant int, no int, foreign key (tenant, no) references people (tenant, no));
    create index on people (customer_id); create index on visits (tenant); create index on visits (no);
    create index on customers (referred_by)`);
  const listed = [...customer, 'public.people.customer_id'];
  const found = await problems(subject(listed));
  expect(found.sort()).toEqual([
    expect.stringMatching(
      /^warning: Rows of public.customers .* last_order may be others'.* ON DELETE SET NULL;$/,
    ),
    expect.stringMatching(
      /^warning: Rows of public.customers .* referred_by may be others'.* ON DELETE SET NULL;$/,
    ),
    expect.stringMatching(/^warning: public.visits refers .* by tenant, no. A line cannot follow several/),
  ]);
  expect(found.join()).not.toMatch(/`is`/);
  await db.client.query(found[1]!.slice(found[1]!.indexOf('ALTER')));
  const cleared = (await problems(subject(listed))).filter((text) => text.includes('referred_by'));
  expect(cleared).toEqual([]);

  const wrong = subject([
    ...listed,
    'public.customers.referred_by',
    'public.visits.tenant -> public.people.tenant',
  ]);
  const told = (await problems(wrong)).filter((text) => !text.includes('last_order'));
  expect(told).toEqual([
    expect.stringMatching(/^warning: Whatever rows of public.customers .* by referred_by .* those of others/),
    expect.stringMatching(/^error: Rows of public.people may share a value of tenant.*are not supported/),
    expect.stringMatching(/^warning: public.visits refers .* by tenant, no. A line cannot follow several/),
  ]);
  await expect(eraser.erase(wrong, '7', { id: 'e' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  // One that tells the row by itself is enough.
  await db.client.query('create unique index on people (no)');
  const by = await problems(subject(listed));
  expect(by.at(-1)).toMatch(/Add to `is`: public.visits.no -> public.people.no$/);
  const well = await problems(subject([...listed, 'public.visits.no -> public.people.no']));
  expect(well.filter((text) => !text.includes('last_order'))).toEqual([]);
});

test('what the publication leaves out, what the role may not, and what hides rows is told', async () => {
  await db.client.query(
    `drop publication shop; create publication shop for table customers, orders with (publish = 'insert, update')`,
  );
  expect(await problems(subject(customer))).toEqual([
    expect.stringMatching(
      /^error: The publication leaves out deletes.*public.customers.*ALTER PUBLICATION "shop" SET/,
    ),
    expect.stringMatching(/^error: The publication leaves out deletes/),
    expect.stringMatching(/^warning: public.payments is not published.*ADD TABLE "public"."payments"/),
  ]);
  const role = `${db.name}_reader`;
  await db.client.query(`alter publication shop set (publish = 'insert, update, delete'); alter publication shop add table payments;
    create role ${role} login; grant select on all tables in schema public to ${role};
    grant update, delete on payments, orders to ${role};
    alter table orders enable row level security`);
  await eraser.close();
  eraser = eraserOf(db, { url: db.url.replace('postgres@', `${role}@`) });
  try {
    expect(await problems(subject(customer))).toEqual([
      `error: The role may not erase rows of public.customers: it lacks UPDATE, DELETE. GRANT UPDATE, DELETE ON "public"."customers" TO "${role}";`,
      expect.stringMatching(/^error: Row security hides rows of public.orders/),
    ]);
    await expect(eraser.erase(subject(customer), '7', { id: 'e' })).rejects.toMatchObject({
      code: 'SOURCE_PERMISSION',
    });
  } finally {
    await eraser.close();
    await db.client.query(`drop owned by ${role}; drop role ${role}`);
  }
});

test('what anonymising leaves, breaks or cannot do is told, and triggers that may copy rows', async () => {
  await db.client.query(`
    alter table customers add phone text unique, add lower text generated always as (lower(name)) stored;
    create function f() returns trigger language plpgsql as 'begin return old; end';
    create trigger audit after delete on orders for each row execute function f();
    create trigger unseen after insert on orders for each row execute function f()`);
  const set = { name: null, email: 'x', id: 1, lower: 'x', nothing: 1 };
  expect(await problems(subject(customer, { 'public.customers': set }))).toEqual([
    expect.stringMatching(/^error: public.customers.name may not be null/),
    expect.stringMatching(
      /^error: public.customers.email is unique, so no two rows can have this value.*'erased-\{random\}@example.invalid'/,
    ),
    expect.stringMatching(/^error: public.customers.id is part of the key/),
    expect.stringMatching(/^error: public.customers.lower is computed/),
    expect.stringMatching(/^error: public.customers.nothing does not exist/),
    expect.stringMatching(/^warning: public.customers.phone is unique, stays as it is/),
    expect.stringMatching(/^warning: The trigger audit runs when rows of public.orders are erased/),
  ]);
});

test('a unique column takes null or a text with {random}; a constant only where its index leaves that out', async () => {
  await db.client.query(`
    alter table customers add no int unique, add nick text, add mail text, add age int,
      add site text not null unique default gen_random_uuid();
    create unique index on customers (lower(nick)); create unique index on customers (mail) where mail <> 'gone'`);
  const of = (set: Record<string, string | number | null>) =>
    problems(
      subject(customer, {
        'public.customers': { no: null, nick: null, mail: null, email: null, site: '{random}', ...set },
      }),
    );
  const references = await of({});
  expect(references.filter((p) => !p.startsWith('warning: public.customers'))).toEqual(references);
  const own = async (set: Record<string, string | number | null>) =>
    (await of(set)).filter((p) => p.includes('public.customers.') && !references.includes(p));
  expect(await own({ nick: 'x{random}', mail: '{random}' })).toEqual([]);
  expect(await own({ nick: 'x', mail: 'gone', site: '{{random}}' })).toEqual([
    expect.stringMatching(/^error: public.customers.nick is unique.*\{random\}/),
    expect.stringMatching(/^warning: public.customers.mail is unique where its index says so.*\{random\}/),
    expect.stringMatching(/^error: public.customers.site is unique.*\{random\}/),
  ]);
  expect(await own({ no: 5, age: '{random}' })).toEqual([
    'error: public.customers.no is unique, so no two rows can have this value. Set it to null, or delete the rows.',
    'error: public.customers.age is of the type integer, and {random} is a text. Set it to null, or delete the rows.',
  ]);
  expect(await own({ name: '{rnadom}' })).toEqual([
    expect.stringMatching(
      /^error: public.customers.name gets a text that is not clear. It holds \{rnadom\}, but only \{random\} is known/,
    ),
  ]);
});

test('the foreign keys of the database are told with their columns, those of partitioned tables once', async () => {
  await db.client.query(`
    create table items (id int primary key, s text, n int, foreign key (s, n) references payments on delete set default);
    create table parts (id int, c text references customers (email) on delete restrict, primary key (id)) partition by hash (id);
    create table part_0 partition of parts for values with (modulus 1, remainder 0)`);
  const found = (await eraser.foreignKeys()).map(
    (f) =>
      `${f.table}(${f.columns})>${f.references.table}(${f.references.columns}) ${f.references.primary} ${f.onDelete}`,
  );
  expect(found).toEqual([
    'public.items(s,n)>public.payments(shop,no) true set default',
    'public.orders(customer_id)>public.customers(id) true no action',
    'public.parts(c)>public.customers(email) false restrict',
    'public.payments(order_id)>public.orders(id) true no action',
  ]);
});
