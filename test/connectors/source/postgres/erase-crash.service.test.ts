import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';
import { count, customer, eraserOf, messages, shopSchema, subject } from './shop.ts';

let db: TestDatabase;
let child: ChildProcess | null;

beforeEach(async () => {
  db = await createDatabase();
  await db.client.query(shopSchema);
  child = null;
});
afterEach(async () => {
  child?.kill('SIGKILL');
  await db.drop();
});

const script = fileURLToPath(new URL('./erase-child.ts', import.meta.url));

function start(first: number) {
  const started = spawn('node', ['--import', 'tsx', script, db.url, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child = started;
  let said = '';
  started.stdout.on('data', (text) => {
    said += text;
  });
  const gone = new Promise<void>((resolve) => started.once('close', () => resolve()));
  return {
    said: () => said,
    kill: async () => {
      started.kill('SIGKILL');
      await gone;
      await eventually('Postgres has noticed', async () => (await backends()) === 0);
    },
  };
}
const backends = (state = '') =>
  count(
    db,
    `pg_stat_activity where datname = current_database() and application_name = 'insideout' ${state}`,
  );

const rowsOf = (id: number) =>
  count(
    db,
    `(select id from customers where id = ${id} union all select id from orders where customer_id = ${id}
      union all select no from payments where (no - 1) / 4 + 1 = ${id}) rows`,
  );

/** All rows and no message, or no rows and a message. Returns which. */
async function wholeOrNothing(told: Record<string, string>[], id: number): Promise<boolean> {
  const messagesOf = told.filter((m) => m.erasure === `e${id}`).length;
  const left = await rowsOf(id);
  expect([id, left, messagesOf]).toEqual(messagesOf === 0 ? [id, left, 0] : [id, 0, messagesOf]);
  if (messagesOf === 0) expect(left).toBeGreaterThan(1);
  return messagesOf > 0;
}

test('killed while it finds rows, deletes them or has written the message: nothing has happened', async () => {
  const told = await messages(db);
  await db.client.query(`truncate payments;
    insert into payments select 's', n, (n - 1) / 2 + 1, 'c' from generate_series(1, 80) n;
    create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(60); return old; end'`);
  const moments = [
    // The rows of payments are the first to go, the customer the last.
    'create trigger slow after delete on payments execute function slow()',
    'create trigger slow after delete on customers execute function slow()',
    // At the commit, when all is done and the message is written.
    'create constraint trigger slow after delete on customers initially deferred for each row execute function slow()',
  ];
  for (const trigger of moments) {
    await db.client.query(trigger);
    const process = start(7);
    await eventually(
      'it stands in the middle',
      async () => (await backends(`and wait_event = 'PgSleep'`)) === 1,
    );
    const [backend] = (
      await db.client.query(
        `select pid from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()`,
      )
    ).rows;
    child?.kill('SIGKILL');
    // Postgres notices when it next talks to the client; so that the test need not wait for it, it is ended.
    await db.client.query('select pg_terminate_backend($1)', [backend.pid]);
    await process.kill();
    expect(process.said()).toBe('begin\n');
    // Committing this makes durable whatever was written before, so that it would be seen.
    await db.client.query(`drop trigger slow on ${trigger.includes('payments') ? 'payments' : 'customers'}`);
    expect(await rowsOf(7)).toBe(1 + 2 + 4);
    expect(await told()).toEqual([]);
  }
  const eraser = eraserOf(db);
  expect((await eraser.erase(subject(customer), '7', { id: 'e7' })).rows).toHaveLength(3);
  await eraser.close();
  expect(await wholeOrNothing(await told(), 7)).toBe(true);
});

test('killed at any moment, each subject is erased with its message or is all there without, and goes on from there', async () => {
  const told = await messages(db);
  await db.client.query(`truncate customers, orders, payments;
    insert into customers select n, 'p' || n, 'p' from generate_series(1, 20000) n;
    insert into orders select n, (n - 1) / 2 + 1, 'o' from generate_series(1, 40000) n;
    insert into payments select 's', n, (n - 1) / 2 + 1, 'c' from generate_series(1, 80000) n`);
  let next = 1;
  for (let round = 1; round <= 4; round++) {
    const process = start(next);
    await eventually('some are erased', () => process.said().split('erased').length > round * 9);
    await process.kill();
    const messagesNow = await told();
    const saidLast = Number(/erased (\d+)\n(?!.*erased \d+\n)/s.exec(process.said())?.[1]);
    for (let id = next; id <= saidLast; id++) expect(await wholeOrNothing(messagesNow, id)).toBe(true);
    // The one that it was at may be committed or not, and the one after it is untouched.
    const during = await wholeOrNothing(messagesNow, saidLast + 1);
    expect(await wholeOrNothing(messagesNow, saidLast + 2)).toBe(false);
    next = during ? saidLast + 2 : saidLast + 1;
  }
  expect(next).toBeGreaterThan(40);
});
