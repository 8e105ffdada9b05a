import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCassandraStore } from '../../connectors/sink/cassandra/cassandra-store.ts';
import { openRedisStore } from '../../connectors/sink/redis/redis-store.ts';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import type { ViewStore } from '../../connectors/sink/view-store.ts';
import { inspect } from '../../connectors/source/postgres/inspect.ts';
import type { ColumnType } from '../../core/column.ts';
import type { Row } from '../../core/value.ts';
import { openKafkaLog } from '../../log/kafka/kafka-log.ts';
import type { Log } from '../../log/log.ts';
import { silentObserver, type ViewObserver } from '../../materializer/apply/observer.ts';
import { defineView } from '../../materializer/view-definition.ts';
import { type RunningPostgres, startPostgres } from '../../stack/postgres.ts';
import { capture, slotOf, tableOf, temporaryLog } from '../support/capture.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { readByAPeer } from '../support/peer.ts';
import { runView } from '../support/run-view.ts';
import { servers, uniqueName } from '../support/servers.ts';
import { sourceStreams } from '../support/source-streams.ts';
import { rowCount, type TypedColumn, typedColumns, typesSql, unknownColumns } from './every-type.ts';

const columns: Record<string, ColumnType> = { id: 'bigint', part: 'text', at: 'timestamp' };
for (const { name, as } of typedColumns) columns[name] = as;
const key = ['id', 'part', 'at'];

/** Values of row `i`; the last row is null in every column. */
const valuesOf = (i: number) =>
  typedColumns.map((c) => (i === rowCount ? 'null' : c.values[i % c.values.length]));
const keyOf = (id: number) => `${id}, 'p "${id}", é', '2024-01-01 00:00:00.00000${id % 10}'`;
const insert = (id: number, i: number) => `insert into t values (${keyOf(id)}, ${valuesOf(i).join(', ')});`;
const allRows = Array.from({ length: rowCount + 1 }, (_, i) => i);

const logs: Record<string, () => Promise<Log>> = {
  'the embedded Log': temporaryLog,
  Kafka: () => {
    const { kafka, registry } = servers();
    return openKafkaLog({ brokers: [kafka], registry: { url: registry } });
  },
};

let oldest: RunningPostgres;
beforeAll(async () => {
  oldest = await startPostgres({ oldest: true });
});
afterAll(() => oldest?.stop());

test.each([
  ['the embedded Log', 'of the stack', () => servers().postgres],
  ['Kafka', 'of the stack', () => servers().postgres],
  ['the embedded Log', 'that is the oldest', () => oldest.url],
])(
  'every value of every type reaches the Log and all three stores as Postgres has it, by snapshot, insert and update, on %s, from the Postgres %s',
  { timeout: 300_000 },
  async (kind, _which, url) => {
    const db = await createDatabase(url());
    const log = await logs[kind]!();
    const name = uniqueName('types');
    const stop = new AbortController();
    const stores = await openStores(name);
    try {
      const list = typedColumns.map((c) => `${c.name} ${c.pg}`).join(', ');
      await db.client.query(`set lc_monetary = 'C'; ${typesSql}
        create table t (id int8, part text, at timestamp, ${list}, primary key (id, part, at));`);
      // Read by the snapshot; those from 200 on become what they should be in the stream.
      await db.client.query(allRows.map((i) => insert(i, i) + insert(200 + i, rowCount - i)).join('\n'));
      const source = capture(log, { url: db.url, name, tables: ['public.t'] });
      const topic = `${name}.public.t`;
      await sourceStreams(db, slotOf(db.url));
      const sets = (i: number) => typedColumns.map((c, n) => `${c.name} = ${valuesOf(i)[n]}`).join(', ');
      await db.client.query(
        allRows.map((i) => `${insert(100 + i, i)} update t set ${sets(i)} where id = ${200 + i};`).join('\n'),
      );
      const { rows } = await db.client.query('select * from t order by id');
      expect(rows.length).toBe(3 * (rowCount + 1));
      const arrays = await arraysIn(db);
      const wanted = rows.map((row) => show(expectedRow(row, arrays)));
      const wantedInLog = rows.map((row) => show(expectedRow(row, arrays, 'avro')));
      let logged: string[] = [];
      await eventually('the Log has it all', async () => {
        logged = [...(await tableOf(log, topic)).values()].sort(byId).map((row) => show(row));
        return JSON.stringify(logged) === JSON.stringify(wantedInLog);
      }).catch(() => {});
      expect(logged, 'the Log').toEqual(wantedInLog);
      if (kind === 'Kafka') {
        const read = await readByAPeer(log, topic);
        expect(read.length).toBeGreaterThan(rows.length);
        const latest = new Map(read.map(({ value }) => [String(value!.id), value!]));
        expect([...latest.values()].sort(byId).map((row) => show(row))).toEqual(wantedInLog);
      }

      const runs: Promise<void>[] = [];
      for (const [kindOf, store] of Object.entries(stores)) {
        const view = defineView({ name: `t_${kindOf}`, from: topic, store: kindOf, columns, key });
        const letters: string[] = [];
        const observe: ViewObserver = {
          ...silentObserver,
          deadLettered: ({ error }) => void letters.push(error.code),
        };
        const run = runView({ view, log, store, signal: stop.signal, observe });
        runs.push(run);
        const ended = run.then(
          () => 'ended',
          (error: unknown) => error,
        );
        let failure: unknown;
        void ended.then((how) => {
          failure = how;
        });
        let last: string[] = [];
        await eventually(`the view in ${kindOf}`, async () => {
          if (failure !== undefined) return true;
          const active = await store.active(view.shape.name);
          if (active === null) return false;
          const found: Row[] = [];
          for await (const row of (await store.open(view.shape, active)).scan()) found.push(row);
          last = found.sort(byId).map((row) => show(row));
          return letters.length > 0 || JSON.stringify(last) === JSON.stringify(wanted);
        }).catch(() => {});
        expect(failure, `the run of ${kindOf}`).toBeUndefined();
        expect(letters).toEqual([]);
        expect(last, kindOf).toEqual(wanted);
      }
      stop.abort();
      await Promise.all(runs);
      await source.stop();
      await saysWhatIsUnknown(db);
    } finally {
      stop.abort();
      for (const store of Object.values(stores)) await store.close();
      await log.close();
      await db.drop();
    }
  },
);

async function saysWhatIsUnknown(db: TestDatabase): Promise<void> {
  const findings = await inspect({
    name: 'x',
    url: db.url,
    publication: 'p',
    slot: slotOf(db.url),
    tables: ['public.t'],
  });
  const told = findings.filter((f) => f.message.includes('not known')).map((f) => f.check);
  expect(told).toEqual(unknownColumns.map((name) => `column public.t.${name}`));
}

async function openStores(name: string): Promise<Record<string, ViewStore>> {
  const { redis, cassandra } = servers();
  return {
    sqlite: await openSqliteStore({ path: join(mkdtempSync(join(tmpdir(), 'insideout-types-')), 'v.db') }),
    redis: await openRedisStore({ url: redis, prefix: `${name}:` }),
    hashes: await openRedisStore({ url: redis, prefix: `${name}:hashes:`, rows: 'hash' }),
    cassandra: await openCassandraStore({
      contactPoints: [cassandra.contactPoint],
      dataCenter: cassandra.dataCenter,
      keyspace: name.slice(0, 40),
    }),
  };
}

/** What Postgres' own texts amount to, in a view or, where that differs, decoded from the Log. */
function expectedRow(
  texts: Record<string, string | null>,
  arrays: Arrays,
  where?: 'avro',
): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (const [name, type] of Object.entries(columns)) {
    const text = texts[name] ?? null;
    row[name] =
      text === null
        ? null
        : expectedValue({ text, type, id: Number(texts.id), arrays: arrays.get(name) ?? [], where });
  }
  return row;
}

/** What the arrays of each column amount to, in the order of its values. */
type Arrays = ReadonlyMap<string, readonly unknown[]>;

async function arraysIn(db: TestDatabase): Promise<Arrays> {
  const all = new Map<string, readonly unknown[]>();
  for (const { name, arrays, elements } of typedColumns)
    if (arrays) all.set(name, arrays);
    else if (elements) {
      const items = await printed(db, name, elements);
      all.set(name, [[...items, null], [], [[items[0]], [items.at(-1)]]]);
    }
  return all;
}

/** The elements as Postgres prints them one by one, made what they are by their scalar column. */
async function printed(
  db: TestDatabase,
  name: string,
  { pg, values }: NonNullable<TypedColumn['elements']>,
): Promise<unknown[]> {
  const { rows } = await db.client.query(`select unnest(array[${values.join(', ')}]::${pg}[]) as item`);
  const type = columns[name.replace(/^a_/, 'c_')]!;
  return rows.map(({ item }) => expectedValue({ text: item, type, id: 0, arrays: [], where: undefined }));
}

function expectedValue({
  text,
  type,
  id,
  arrays,
  where,
}: {
  text: string;
  type: ColumnType;
  id: number;
  arrays: readonly unknown[];
  where: 'avro' | undefined;
}): unknown {
  switch (type) {
    case 'int':
    case 'float':
      return Number(text);
    case 'bigint':
      return BigInt(text);
    case 'boolean':
      return text === 't';
    case 'bytes':
      return Buffer.from(text.slice(2), 'hex');
    case 'array': {
      // What Avro has no array for is Postgres' literal in the Log.
      if (where === 'avro' && /^(\{\{|\[)/.test(text)) return text;
      return arrays[(id % 100) % arrays.length];
    }
    default:
      return text;
  }
}

/** A row as text that tells every value from every other. */
function show(row: Record<string, unknown>): string {
  return JSON.stringify(
    Object.keys(columns).map((name) => [name, tell(row[name])]),
    null,
    1,
  );
}

function tell(value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number') return Object.is(value, -0) ? '#-0' : `#${value}`;
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return value.map(tell);
  return value;
}

function byId(a: Record<string, unknown>, b: Record<string, unknown>): number {
  return Number(a.id) - Number(b.id);
}
