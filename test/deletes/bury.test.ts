import { expect, onTestFinished, test } from 'vitest';
import { buryErased } from '../../deletes/bury.ts';
import { KeyHasher } from '../../deletes/key-hash.ts';
import { targetOf } from '../../deletes/target.ts';
import { Tracer } from '../../deletes/tracer.ts';
import type { Log, LogRecord } from '../../log/log.ts';
import { type Customers, customersTopic, topic } from '../materializer/customers.ts';
import { recordsOf, temporaryLog } from '../support/capture.ts';
import { folded, requested } from './happenings.ts';

const hasher = new KeyHasher(Buffer.from('secret'));
const { erasure } = folded(requested('e'));
const point = { lsn: '0/64', micros: '100' };
const keys = [{ topic, hashes: [7, 8].map((id) => hasher.key(topic, { id })), point }];
/** Customers 7 and 8 were the subject's, and a TRUNCATE deleted them; 6 was erased. */
const target = {
  ...targetOf(erasure!),
  keys: new Map([[topic, new Set([hasher.key(topic, { id: 6 })])]]),
  former: keys,
};
const place = { kind: 'topic', topic, origin: topic, key: {}, whole: true } as const;
/** A record of the nth moment. */
const at = (n: number, record: LogRecord): LogRecord => ({
  ...record,
  headers: { ...record.headers, lsn: `0/${n.toString(16)}`, ts: String(n) },
});

/** A Log of which the nth append that buries something comes just behind these records of a source. */
const racing = (log: Log, came: readonly (readonly LogRecord[])[]): Log => {
  let nth = 0;
  const append: Log['append'] = async (records) => {
    await log.append([...(came[nth++] ?? [])]);
    await log.append(records);
  };
  return new Proxy(log, {
    get: (of, name) => {
      if (name === 'append') return append;
      const value = Reflect.get(of, name);
      return typeof value === 'function' ? value.bind(of) : value;
    },
  });
};

type Came = (customers: Customers) => LogRecord[];
const named = (n: number, id: number, name: string): Came => {
  return ({ upsert }) => [at(n, upsert(id, { name, visits: 1 }))];
};

test.each<[string, Came[], string | null]>([
  ['nothing came', [], null],
  ['somebody else got its key', [named(200, 8, 'new')], 'new'],
  ['that one changed at once', [named(200, 8, 'new'), named(201, 8, 'newer')], 'newer'],
  ['that one was deleted at once', [named(200, 8, 'new'), ({ remove }) => [at(201, remove(8))]], null],
  ['another TRUNCATE came', [named(200, 8, 'new'), ({ truncate }) => truncate()], null],
  ['an older record came once more', [named(10, 8, 'old')], null],
])(
  'a row that a TRUNCATE deleted is buried, and none that came meanwhile is lost: %s',
  async (_how, came, expected) => {
    const log = await temporaryLog();
    onTestFinished(() => log.close());
    const customers = await customersTopic(log, 2);
    const { upsert, truncate } = customers;
    await log.append([7, 8].map((id) => at(10, upsert(id, { name: 'old', visits: 1 }))));
    await log.append([...truncate(), at(150, upsert(6, { name: 'erased', visits: 1 }))]);
    const meanwhile = came.map((of) => of(customers));
    // An erased key is never anybody else's.
    meanwhile[0]?.push(at(300, upsert(6, { name: 'back', visits: 1 })));
    const { signal } = new AbortController();
    const tracer = new Tracer(hasher, [target]);
    expect(await buryErased(racing(log, meanwhile), [place], { tracer, signal })).toBe(3);
    const newest = new Map<string, Buffer | null>();
    for (const { key, value, headers } of await recordsOf(log, topic))
      if (headers.op?.toString() === 't') newest.clear();
      else newest.set(String(key), value);
    const valueIn = (id: number) => newest.get(String(upsert(id, { name: null, visits: null }).key)) ?? null;
    const wanted = expected === null ? null : upsert(8, { name: expected, visits: 1 }).value;
    expect([6, 7, 8].map((id) => valueIn(id))).toEqual([null, null, wanted]);
  },
);
