import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SourceEraser } from '../../../../connectors/source/erasure.ts';
import { isInsideoutError } from '../../../../core/errors.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';
import { count, customer, eraserOf, messages, shopSchema, subject } from './shop.ts';

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

const failure = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable('it should fail'),
    (error: unknown) => {
      if (!isInsideoutError(error)) throw error;
      return error;
    },
  );
const keysOf = (rows: readonly { table: string; keys: readonly (readonly string[])[] }[]) =>
  Object.fromEntries(rows.map((r) => [r.table, r.keys.map((key) => key.join('/')).sort()]));
const everything = () =>
  count(db, '(select 1 from customers union all select 2 from orders union all select 3 from payments) t');

test('a subject goes from all its tables with a message in the same transaction, and nobody else does', async () => {
  const told = await messages(db);
  const seen = await eraser.find(subject(customer), '7');
  const { rows, telling, owners, id, barrier } = await eraser.erase(subject(customer), '007', { id: 'e1' });
  expect(id).toBe('7');
  expect(rows).toEqual([
    {
      table: 'public.customers',
      topic: 'shop.public.customers',
      policy: 'delete',
      keyColumns: ['id'],
      keys: [['7']],
    },
    {
      table: 'public.orders',
      topic: 'shop.public.orders',
      policy: 'delete',
      keyColumns: ['id'],
      keys: [['13'], ['14']],
    },
    {
      table: 'public.payments',
      topic: 'shop.public.payments',
      policy: 'delete',
      keyColumns: ['shop', 'no'],
      keys: [
        ["it's", '13'],
        ["it's", '14'],
      ],
    },
  ]);
  expect(telling).toEqual(['person7@example.org']);
  const direct = (table: string, column: string) => ({
    table: `public.${table}`,
    topic: `shop.public.${table}`,
    column,
    through: null,
    values: ['7'],
    stays: false,
  });
  expect(owners).toEqual([
    direct('customers', 'id'),
    direct('orders', 'customer_id'),
    {
      ...direct('payments', 'order_id'),
      through: { topics: ['shop.public.orders'], column: 'id' },
      values: ['13', '14'],
    },
  ]);
  expect(seen).toEqual({ id, rows, telling, owners });
  expect(await everything()).toBe(19 + 38 + 38);
  expect(await count(db, 'customers where id = 7')).toBe(0);
  expect(await told()).toEqual([{ id: barrier, erasure: 'e1' }]);
});

test('an id that is gone, or never was, is erased again without rows and tells so again', async () => {
  const told = await messages(db);
  await eraser.erase(subject(customer), '7', { id: 'e1' });
  const again = await eraser.erase(subject(customer), '7', { id: 'e1' });
  expect(again.rows).toEqual([]);
  expect(again.telling).toEqual([]);
  // The topics are looked through all the same.
  expect(again.owners.map(({ topic, values }) => [topic, values])).toEqual([
    ['shop.public.customers', ['7']],
    ['shop.public.orders', ['7']],
    ['shop.public.payments', []],
  ]);
  expect((await told()).map((m) => m.erasure)).toEqual(['e1', 'e1']);
  const barrier = await eraser.mark({ id: 'e2' });
  expect((await told()).at(-1)).toEqual({ id: barrier, erasure: 'e2' });
});

test("an id that is not of the column's type is a wrong call, whatever is in it", async () => {
  for (const id of ["1'; drop table payments; --", 'x', '', '9'.repeat(30)]) {
    const error = await failure(eraser.erase(subject(customer), id, { id: 'e' }));
    expect(error.code).toBe('USAGE');
    if (id !== '') expect(error.message + error.hint).not.toContain(id);
  }
  expect(await everything()).toBe(100);
});

test('anonymised rows stay with the new values, and only what was overwritten is telling', async () => {
  const to = { name: 'erased', email: null };
  const anonymised = subject(customer, {
    'public.customers': to,
    'public.orders': { note: null },
    'public.payments': { card: '0' },
  });
  const { rows, telling } = await eraser.erase(anonymised, '7', { id: 'e1' });
  const before = (of: typeof rows) => Object.fromEntries(of.map((r) => [r.table, r.overwritten]));
  expect(rows.map((r) => r.policy)).toEqual(['anonymise', 'anonymise', 'anonymise']);
  expect(telling).toEqual(['person7@example.org']);
  expect(before(rows)).toEqual({
    'public.customers': [
      [
        { column: 'name', text: 'Person 7' },
        { column: 'email', text: 'person7@example.org' },
      ],
    ],
    'public.orders': [[{ column: 'note', text: 'order 13' }], [{ column: 'note', text: 'order 14' }]],
    'public.payments': [[{ column: 'card', text: 'card 13' }], [{ column: 'card', text: 'card 14' }]],
  });
  expect(await everything()).toBe(100);
  expect((await db.client.query('select * from customers where id = 7')).rows).toEqual([{ id: '7', ...to }]);
  expect(await count(db, `payments where card = '0'`)).toBe(2);
  // Again: the same rows, and nothing of the person is known any more.
  const again = await eraser.erase(anonymised, '7', { id: 'e1' });
  expect(keysOf(again.rows)).toEqual(keysOf(rows));
  expect(again.telling).toEqual([]);
  expect(before(again.rows)).toEqual({
    'public.customers': [[]],
    'public.orders': [[], []],
    'public.payments': [[], []],
  });
});

test('a table of which nothing is overwritten keeps its rows, which are told by nothing but what refers to them', async () => {
  const kept = subject(customer, { 'public.customers': { email: null }, 'public.orders': {} });
  const { rows, owners, telling } = await eraser.find(kept, '7');
  const orders = rows.find((of) => of.table === 'public.orders');
  expect(orders).toMatchObject({ policy: 'anonymise', keys: [['13'], ['14']] });
  expect(orders).not.toHaveProperty('overwritten');
  expect(owners.map((of) => [of.table, of.values])).toEqual([
    ['public.customers', ['7']],
    ['public.payments', ['13', '14']],
  ]);
  expect(telling).toEqual(['person7@example.org']);
});

test('where different texts are equal, whose a row was cannot be compared', async () => {
  await db.client.query(`
    create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    create table people (mail text collate nocase primary key);
    create table visits (id int primary key, mail text, price numeric);
    alter publication shop set (publish = 'insert, update, delete, truncate');
    insert into people values ('Bob@example.org'); insert into visits values (1, 'Bob@example.org', 1.0)`);
  const valuesOf = async (...is: string[]) =>
    (await eraser.find(subject(is), 'bob@example.org')).owners.map((of) => of.values);
  expect(await valuesOf('public.people.mail', 'public.visits.mail -> public.people')).toEqual([null, null]);
  expect((await eraser.find(subject(['public.visits.price']), '1')).owners.map((of) => of.values)).toEqual([
    null,
  ]);
});

test('with {random} every row gets a value of its own, so that unique columns can be anonymised for one subject after another', async () => {
  await db.client.query(`
    alter table customers alter email set not null, add token uuid unique not null default gen_random_uuid(),
      add data jsonb, add short varchar(8), add tags text[];
    alter table orders add unique (note)`);
  const before = (await db.client.query('select token from customers order by id')).rows.map((r) => r.token);
  const set = {
    'public.customers': {
      name: `it's "{{random}}" {} {1} {"a": "b"}`,
      email: `o'{random}$1-{random}@example.invalid`,
      token: '{random}',
      data: '{"erased": "{random}"}',
      tags: '{"{random}",b}',
    },
    'public.orders': { note: '{random}' },
    'public.payments': { card: null },
  };
  const declared = subject(customer, set);
  expect((await eraser.check(declared)).filter((f) => f.severity === 'error')).toEqual([]);
  const person = async (id: number) =>
    (await db.client.query('select * from customers where id = $1', [id])).rows[0];
  const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}';
  for (const id of [7, 8]) {
    const { telling } = await eraser.erase(declared, String(id), { id: 'e1' });
    expect([...telling].sort()).toEqual(
      [before[id - 1], `order ${id * 2 - 1}`, `order ${id * 2}`, `person${id}@example.org`].sort(),
    );
    const { name, email, token, data, tags } = await person(id);
    expect(name).toBe(`it's "{random}" {} {1} {"a": "b"}`);
    const [, first, second] = new RegExp(`^o'(${uuid})\\$1-(${uuid})@example.invalid$`).exec(email) ?? [];
    const [tag, b] = tags.slice(1, -1).split(',');
    const all = [first, second, token, JSON.parse(data).erased, tag];
    for (const value of all) expect(value).toMatch(new RegExp(`^${uuid}$`));
    expect(new Set([...all, before[id - 1]]).size).toBe(6);
    expect(b).toBe('b');
  }
  expect(await count(db, 'customers')).toBe(20);
  expect(await count(db, `orders where note !~ '^order'`)).toBe(4);
  // Again: other values. Of the former ones a bare UUID may be anybody's idea; the other shows whose it was.
  const former = await person(7);
  const again = await eraser.erase(declared, '7', { id: 'e2' });
  expect(again.telling).toContain(former.token);
  expect(again.telling).not.toContain(former.email);
  expect((await person(7)).email).not.toBe(former.email);
  expect(again.rows.map((r) => r.policy)).toEqual(['anonymise', 'anonymise', 'anonymise']);
  const long = subject(customer, { ...set, 'public.customers': { short: '{random}' } });
  expect((await failure(eraser.erase(long, '9', { id: 'e' }))).hint).toMatch(/36 characters/);
});

test('an id is telling, unless it is a number, which others have as well, or rows stay that are found by it', async () => {
  await db.client.query(`
    create table members (nick text primary key, no bigint unique, mail text unique);
    create table posts (id int primary key, nick text, author text);
    insert into members values ('longnick', 7310013, 'nick@example.org');
    insert into posts values (1, 'longnick', 'Nick')`);
  const lines = ['public.members.nick', 'public.posts.nick'];
  const gone = await eraser.find(subject(lines), 'longnick');
  expect([...gone.telling].sort()).toEqual(['longnick', 'nick@example.org']);
  const stays = await eraser.find(subject(lines, { 'public.posts': { author: 'somebody' } }), 'longnick');
  expect(stays.telling).toEqual(['nick@example.org']);
});

test('what the constraints do not allow is one sentence with its mend, without values, and nothing is done', async () => {
  const told = await messages(db);
  await db.client.query(`alter table orders add check (note <> 'forbidden'), add short varchar(4),
    add half int, add pair int, add unique (half, pair)`);
  const cases: [Parameters<typeof subject>, RegExp][] = [
    [
      [customer, { 'public.customers': { email: 'person8@example.org' } }],
      /public.customers.email is unique, so no two/,
    ],
    [
      [customer, { 'public.customers': { name: 'x' }, 'public.orders': { pair: 2, half: 1 } }],
      /several rows of public.orders.*orders_half_pair_key/,
    ],
    [[customer, { 'public.customers': { name: null } }], /public.customers.name may not be null/],
    [
      [customer, { 'public.customers': { name: 'x' }, 'public.orders': { note: 'forbidden' } }],
      /orders_note_check/,
    ],
    [
      [customer, { 'public.customers': { name: 'x' }, 'public.orders': { short: 'secret-too-long' } }],
      /longer than its column takes/,
    ],
    [
      [customer, { 'public.customers': { name: 'x' }, 'public.orders': { id: 5 } }],
      /public.orders.id is part of the key/,
    ],
    [[customer.slice(0, 2)], /Rows of public.payments still refer.*payments_order_id_fkey/],
    [
      [customer, { 'public.orders': { note: null } }],
      /Rows of public.orders stay and refer to rows of public.customers/,
    ],
  ];
  for (const [[is, set], message] of cases) {
    const error = await failure(eraser.erase(subject(is, set), '7', { id: 'e' }));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toMatch(message);
    expect(error.hint).not.toBe('');
    expect(JSON.stringify([error.message, error.hint, error.cause])).not.toMatch(/person8|forbidden'|secret/);
  }
  const refused = await failure(eraser.erase(subject(customer.slice(0, 2)), '7', { id: 'e' }));
  expect(refused.hint).toContain('insideout subjects check');
  expect(await everything()).toBe(100);
  expect(await count(db, `customers where name not like 'Person%'`)).toBe(0);
  expect(await told()).toEqual([]);
});

test('a trigger that keeps a row, and a cascade to what is not listed, stop the whole of it', async () => {
  await db.client.query(`
    create function keep() returns trigger language plpgsql as 'begin return null; end';
    create trigger keep before delete on payments for each row when (old.no = 14) execute function keep()`);
  expect((await failure(eraser.erase(subject(customer), '7', { id: 'e' }))).message).toMatch(
    /Of 2 rows of public.payments only 1/,
  );
  await db.client.query('drop trigger keep on payments');
  // The plan is made; a cascade that comes later is noticed none the less.
  await eraser.find(subject(customer), '7');
  const known = subject(customer);
  await eraser.erase(known, '8', { id: 'e' });
  await db.client.query(`create table wishes (id int primary key, customer_id bigint references customers on delete cascade);
    insert into wishes values (1, 7)`);
  const error = await failure(eraser.erase(known, '7', { id: 'e' }));
  expect(error.message).toContain('Rows of public.wishes');
  expect(error.hint).toContain('public.wishes.customer_id');
  expect(await count(db, 'wishes')).toBe(1);
  expect(await everything()).toBe(95);
});

test('a row that is inserted while its subject is erased is found, or is refused afterwards', async () => {
  const other = new pg.Client({ connectionString: db.url });
  await other.connect();
  // Before the erasure, and not committed: it is waited for.
  await other.query(
    `begin; insert into orders values (1000, 7, 'late'); insert into payments values ('s', 1000, 1000, 'c')`,
  );
  const erasing = eraser.erase(subject(customer), '7', { id: 'e' });
  const waiting = (n: number) =>
    eventually(
      `${n} wait for a lock`,
      async () =>
        (await count(
          db,
          `pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        )) === n,
    );
  await waiting(1);
  await other.query('commit');
  const { rows } = await erasing;
  expect(keysOf(rows)['public.orders']).toEqual(['1000', '13', '14']);
  expect(keysOf(rows)['public.payments']).toContain('s/1000');

  // After the root's lock: it waits, and then has nobody to refer to.
  await other.query('begin; select from payments where no = 15 for update');
  const second = eraser.erase(subject(customer), '8', { id: 'e' });
  await waiting(1);
  const late = expect(db.client.query(`insert into orders values (1001, 8, 'late')`)).rejects.toMatchObject({
    code: '23503',
  });
  const watcher = new pg.Client({ connectionString: db.url });
  await watcher.connect();
  await eventually('both wait', async () => {
    const found = await watcher.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return found.rows.length === 2;
  });
  await other.query('rollback');
  await second;
  await late;
  await watcher.end();
  await other.end();
});

test('tables with quotes, keys of several columns, texts, booleans and partitions are found by their own keys', async () => {
  await db.client.query(`
    create table "Odd ""Schema" ("I d" uuid primary key, flag bool default true);
    create table "part.ed" (who uuid references "Odd ""Schema", at date, flag bool, weight float8, bytes bytea,
      primary key (who, at, flag, weight, bytes)) partition by range (at);
    create table part_1 partition of "part.ed" for values from ('2020-01-01') to ('2021-01-01');
    create table part_2 partition of "part.ed" for values from ('2021-01-01') to ('2022-01-01');
    insert into "Odd ""Schema" values ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'), ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12');
    insert into "part.ed" select "I d", d, true, 1e21, '\\x00ff' from "Odd ""Schema", unnest('{2020-02-03,2021-02-03}'::date[]) d`);
  const odd = subject(['public.Odd "Schema.I d', 'public.part.ed.who']);
  const id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
  const { rows, telling } = await eraser.find(odd, id.toUpperCase());
  expect(keysOf(rows)['public.part.ed']).toEqual([
    `${id}/2020-02-03/true/1e+21/\\x00ff`,
    `${id}/2021-02-03/true/1e+21/\\x00ff`,
  ]);
  expect(telling).toEqual([id]);
  // Published one by one, each partition has a topic of its own, one that is new as well.
  await db.client.query(`drop publication shop; create publication shop for table "part.ed"`);
  expect((await eraserOnce(odd, id)).map((r) => r.topic)).toEqual([
    'shop.public.part_1',
    'shop.public.part_2',
  ]);
  await db.client.query(`create table part_3 partition of "part.ed" for values from ('2022-01-01') to ('2023-01-01');
    insert into "part.ed" select "I d", '2022-02-03', true, 0, '' from "Odd ""Schema"`);
  const erased = await eraser.erase(odd, id, { id: 'e' });
  expect(erased.rows.map((r) => r.topic).sort()).toEqual(
    ['shop.public.Odd "Schema', 'shop.public.part_1', 'shop.public.part_2', 'shop.public.part_3'].sort(),
  );
  expect(await count(db, '"part.ed"')).toBe(3);
});

async function eraserOnce(of: ReturnType<typeof subject>, id: string) {
  await eraser.close();
  const { rows } = await eraser.find(of, id);
  return rows.filter((r) => r.table === 'public.part.ed');
}

test('tables found in two ways, by other columns or through their own rows are found to the end', async () => {
  await db.client.query(`
    create table messages (id int primary key, sender bigint references customers, receiver bigint references customers,
      answers int references messages);
    insert into messages values (1, 7, 8, null), (2, 9, 7, null), (3, 9, 9, 2), (4, 10, 10, 3), (5, 10, 10, null);
    create table logins (email text references customers (email), at int, primary key (email, at));
    insert into logins values ('person7@example.org', 1), ('person8@example.org', 1);
    create unique index on messages ((id + 0))`);
  const { rows } = await eraser.erase(
    subject([
      ...customer,
      'public.logins.email -> public.customers',
      'public.messages.sender',
      'public.messages.receiver',
      'public.messages.answers -> public.messages',
    ]),
    '7',
    { id: 'e' },
  );
  expect(keysOf(rows)['public.messages']).toEqual(['1', '2', '3', '4']);
  expect(keysOf(rows)['public.logins']).toEqual(['person7@example.org/1']);
  expect(await count(db, 'messages')).toBe(1);
});

test('calls that overlap do not share a transaction, and one that fails leaves the others alone', async () => {
  const many = subject(customer);
  // It is connected, so all of them would use this connection.
  await eraser.find(many, '1');
  const results = await Promise.allSettled(
    ['1', 'x', '2', '3', 'y', '4'].map((id) => eraser.erase(many, id, { id: `e${id}` })),
  );
  expect(results.map((r) => r.status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
    'fulfilled',
    'rejected',
    'fulfilled',
  ]);
  expect(await everything()).toBe(80);
});

test('values that are unique only as an expression tell the subject, short ones and numbers of other rows do not', async () => {
  await db.client.query(`
    alter table customers add nick text, add code text unique;
    create unique index on customers (lower(nick));
    alter table orders add number int unique, add reference text unique;
    update customers set nick = 'Nick' || id, code = id;
    update orders set number = 1000000 + id, reference = 'R-' || (1000 + id)`);
  const { telling } = await eraser.find(subject(customer), '7');
  expect([...telling].sort()).toEqual(['Nick7', 'R-1013', 'R-1014', 'person7@example.org']);
});

test('rows that another transaction holds are waited for ten seconds, and then it may be tried again', async () => {
  const other = new pg.Client({ connectionString: db.url });
  await other.connect();
  await other.query('begin; select from orders where id = 13 for update');
  const error = await failure(eraser.erase(subject(customer), '7', { id: 'e' }));
  expect([error.code, error.retry]).toEqual(['SOURCE_UNREACHABLE', 'backoff']);
  await other.query('rollback');
  await other.end();
  expect((await eraser.erase(subject(customer), '7', { id: 'e' })).rows).toHaveLength(3);
});

test('what is awaited before the commit is told what goes, and holds the rows for ten seconds at most, of very many rows for longer', async () => {
  const seen: unknown[] = [];
  const erasing = eraser.erase(subject(customer), '7', {
    id: 'e',
    beforeCommit: async (erased) => {
      seen.push(erased, await count(db, 'customers where id = 7'));
    },
  });
  const { barrier, ...told } = await erasing;
  expect(seen).toEqual([told, 1]);
  await db.client.query(`insert into orders select n, 8, 'one of many' from generate_series(1001, 41000) n`);
  const stuck = failure(
    eraser.erase(subject(customer), '8', { id: 'e', beforeCommit: () => new Promise(() => {}) }),
  );
  await eventually(
    'it is held',
    async () =>
      (await count(
        db,
        `pg_stat_activity where datname = current_database() and state = 'idle in transaction'`,
      )) > 0,
  );
  await db.client.query(`update customers set name = 'still here' where id = 8`);
  expect(await stuck).toMatchObject({
    code: 'LOG_UNREACHABLE',
    message: expect.stringMatching(/40005 rows, .* within 12 s/),
  });
  expect(await count(db, `customers where id = 8 and name = 'still here'`)).toBe(1);
  expect((await eraser.erase(subject(customer), '8', { id: 'e' })).rows).toHaveLength(3);
});

test('a connection that was broken is made again, and what was under way is not told as undone', async () => {
  await eraser.find(subject(customer), '7');
  const end = `select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = 'insideout'`;
  await db.client.query(`create function cut() returns trigger language plpgsql as
      'begin perform pg_terminate_backend(pg_backend_pid()); return old; end';
    create constraint trigger cut after delete on customers initially deferred for each row execute function cut()`);
  const error = await failure(eraser.erase(subject(customer), '7', { id: 'e' }));
  expect(error.code).toBe('SOURCE_UNREACHABLE');
  expect(error.message).not.toContain('nothing was done');
  await db.client.query(`drop trigger cut on customers`);
  await eraser.find(subject(customer), '7');
  await db.client.query(end);
  await eventually('it is noticed', () => eraser.mark({ id: 'e' }).catch(() => null));
  expect((await eraser.erase(subject(customer), '7', { id: 'e' })).rows).toHaveLength(3);
});
