import { Client } from 'cassandra-driver';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCassandraStore } from '../../../connectors/sink/cassandra/cassandra-store.ts';
import { openRedisStore } from '../../../connectors/sink/redis/redis-store.ts';
import type { ViewShape } from '../../../core/view.ts';
import { reader } from '../../../materializer/reading/reader.ts';
import { type RunningRedis, startRedis } from '../../../stack/redis.ts';
import { eventually } from '../../support/eventually.ts';
import { servers, uniqueName } from '../../support/servers.ts';
import { markedViews, markOf, nextOf, rowsPerView, swaps } from './swap-views.ts';

const { contactPoint, dataCenter } = servers().cassandra;
const keyspace = uniqueName('swaps');
afterAll(async () => {
  const client = new Client({ contactPoints: [contactPoint], localDataCenter: dataCenter });
  await client.execute(`DROP KEYSPACE IF EXISTS ${keyspace}`);
  await client.shutdown();
});

// A server of its own: SCAN walks everything that is in it.
let server: RunningRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server?.stop());

const stores = [
  ['Redis', () => openRedisStore({ url: server.url })],
  ['Redis, whose rows are hashes', () => openRedisStore({ url: server.url, prefix: 'h:', rows: 'hash' })],
  ['Cassandra', () => openCassandraStore({ contactPoints: [contactPoint], dataCenter, keyspace })],
] as const;

/** So long after a promotion a read may begin that sees the generation before: 100 ms, and a machine that is busy. */
const lateMs = 400;

describe.each(stores)('on %s', (_name, open) => {
  test(`readers in tight loops see ${swaps} swaps and never an error, an empty view or a mixture`, async () => {
    const [writer, other] = [await open(), await open()];
    const views = await markedViews(writer, ['card']);
    const readers = [getsOf(), scansOf()].map((make) => loop(() => make(other, views[0]!)));
    for (const { seen } of readers) await eventually('it reads', () => seen.at(-1) === markOf(1));
    let latest = 0;
    for (let swap = 0; swap < swaps; swap++) {
      const move = nextOf(swap);
      expect(await writer.promote([{ view: views[0]!, ...move }])).toBe(true);
      const promoted = performance.now();
      for (const { seen, begunLast } of readers) {
        await eventually(`swap ${swap} is seen`, () => seen.at(-1) === markOf(move.to), 10);
        latest = Math.max(latest, begunLast(markOf(move.from)) - promoted);
      }
    }
    for (const { stop } of readers) await stop();
    for (const { wrong, reads, seen } of readers) {
      expect(wrong).toEqual([]);
      expect(reads()).toBeGreaterThan(swaps);
      expect(seen).toHaveLength(swaps + 1);
    }
    expect(latest).toBeLessThan(lateMs);
    for (const store of [writer, other]) await store.close();
  });
});

type Reading = Awaited<ReturnType<(typeof stores)[number][1]>>;
type Look = (store: Reading, view: ViewShape) => () => Promise<string | { wrong: string }>;

function getsOf(): Look {
  return (store, view) => {
    const client = reader(store, view);
    let at = 0;
    return async () => {
      const row = await client.get([BigInt(at++ % rowsPerView)]);
      return row ? String(row.mark) : { wrong: 'no row' };
    };
  };
}

function scansOf(): Look {
  return (store, view) => {
    const client = reader(store, view);
    return async () => {
      const marks: unknown[] = [];
      for await (const row of client.scan()) marks.push(row.mark);
      if (marks.length !== rowsPerView) return { wrong: `${marks.length} rows` };
      const [mark, ...others] = new Set(marks);
      return others.length > 0 ? { wrong: 'a mixture' } : String(mark);
    };
  };
}

/** Reads without a pause until it is stopped; remembers each change of the mark, and everything wrong. */
function loop(begin: () => ReturnType<Look>) {
  const read = begin();
  const wrong: string[] = [];
  const seen: string[] = [];
  const begun = new Map<string, number>();
  let reads = 0;
  let stopped = false;
  const running = (async () => {
    while (!stopped) {
      const began = performance.now();
      const found = await read().catch((error: unknown) => ({ wrong: String(error) }));
      reads++;
      if (typeof found !== 'string') {
        wrong.push(found.wrong);
        continue;
      }
      begun.set(found, began);
      if (found !== seen.at(-1)) seen.push(found);
    }
  })();
  return {
    wrong,
    seen,
    reads: () => reads,
    /** When the last read began that saw this mark. */
    begunLast: (mark: string) => begun.get(mark) ?? 0,
    async stop() {
      stopped = true;
      await running;
    },
  };
}
