import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';

const connections = 8;

export interface SingleRows {
  /** `performance.now()` when Postgres confirmed each transaction, by its number; 0 before that. */
  readonly committed: Float64Array;
  /** How many were begun. */
  begun(): number;
  /** Begins transactions up to this number, or until it is stopped; resolves when Postgres confirmed them. */
  until(total: number): Promise<void>;
  stop(): void;
  close(): Promise<void>;
}

/**
 * Single-row transactions on `orders` at a fixed rate, whether or not the earlier ones have arrived anywhere, by 8
 * connections: every third inserts, the others update. The row's note holds `mark` and the transaction's number.
 */
export async function singleRows(options: {
  url: string;
  perSecond: number;
  /** Most transactions that will be asked for. */
  most: number;
  mark: string;
}): Promise<SingleRows> {
  const { url, perSecond, most, mark } = options;
  const clients = await Promise.all(Array.from({ length: connections }, () => writer(url)));
  const { rows } = await clients[0]!.query<{ max: string }>('select max(id) as max from orders');
  const maxId = Number(rows[0]!.max);
  const committed = new Float64Array(most);
  // A connection takes one transaction after the other.
  const lanes: Promise<unknown>[] = clients.map(() => Promise.resolve());
  let next = 0;
  let stopped = false;
  return {
    committed,
    begun: () => next,
    async until(total) {
      const first = next;
      const began = performance.now();
      while (next < total && !stopped) {
        const due = Math.min(total, first + Math.floor(((performance.now() - began) / 1000) * perSecond));
        for (; next < due; next++) {
          const lane = next % connections;
          const n = next;
          lanes[lane] = lanes[lane]!.then(async () => {
            await write(clients[lane]!, n, { maxId, mark });
            committed[n] = performance.now();
          });
        }
        await wait(1);
      }
      await Promise.all(lanes);
    },
    stop() {
      stopped = true;
    },
    async close() {
      await Promise.all(clients.map((client) => client.end()));
    },
  };
}

async function writer(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

async function write(client: pg.Client, n: number, parts: { maxId: number; mark: string }): Promise<void> {
  const { maxId, mark } = parts;
  const note = `${mark}${n};${'0'.repeat(80)}`;
  if (n % 3 === 2)
    await client.query({
      name: 'insert',
      text: `insert into orders values ($1, $2, 'new', 12.34, $3, now(), now())`,
      values: [maxId + 1 + n, n % 100_000, note],
    });
  else
    await client.query({
      name: 'update',
      text: `update orders set status = 'late', amount = amount + 1, note = $2, updated_at = now() where id = $1`,
      values: [1 + (n % maxId), note],
    });
}
