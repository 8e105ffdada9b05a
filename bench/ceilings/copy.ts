import { to as copyTo } from 'pg-copy-streams';
import type { Ceiling } from '../cases/case.ts';
import { connect } from '../workload/orders.ts';

/** COPY of the table, read and thrown away. */
export async function copyAlone(url: string, records: number): Promise<Ceiling> {
  const client = await connect(url);
  const startedAt = performance.now();
  const stream = client.query(copyTo('copy (select * from only orders) to stdout'));
  for await (const _chunk of stream);
  const seconds = (performance.now() - startedAt) / 1000;
  await client.end();
  return { name: 'COPY alone', recordsPerSecond: records / seconds };
}
