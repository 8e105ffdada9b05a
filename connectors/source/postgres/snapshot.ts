import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { Lsn } from '../../../core/lsn.ts';
import type { LogRecord } from '../../../log/log.ts';
import type { SnapshotProgress } from '../source.ts';
import { beforeTable, type CatalogTable } from './catalog.ts';
import { quoteIdent, quoteText } from './connection.ts';
import { CopyTextParser } from './copy-text.ts';
import { clockMicros } from './origin.ts';
import type { Origin, RecordBatch } from './record-batch.ts';
import { type CreatedSlot, currentLsn } from './slot.ts';
import { type PreparedTable, qualifiedName } from './tables.ts';

/** Bytes of records that are handed on at once; fewer at first, so that the first rows need not wait for others. */
const batchBytes = 2 << 20;
const firstBatchBytes = 32 << 10;

/**
 * Begins the transaction that snapshots are read in: at the slot's exported snapshot, so that they end exactly
 * where the stream begins; or, when a snapshot is taken again, at now. Then some changes after the slot's start
 * are already in it, and applying them once more leads to the same rows, because each carries its whole row.
 * Returns the LSN that its records carry: changes up to about there are in them.
 */
export async function beginSnapshot(client: pg.Client, created: CreatedSlot | null): Promise<Lsn> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  if (created) await client.query(`SET TRANSACTION SNAPSHOT ${quoteText(created.snapshot)}`);
  const lsn = created?.consistentLsn ?? (await currentLsn(client));
  await client.query(`SAVEPOINT ${beforeTable}`);
  return lsn;
}

/** The time of the server's clock, microseconds since 1970. */
export async function serverMicros(client: pg.Client): Promise<bigint> {
  const { rows } = await client.query<{ micros: string }>(`select ${clockMicros} as micros`);
  return BigInt(rows[0]!.micros);
}

/** Reads one table by COPY, as batches of records with op `r`. Memory is bounded by one batch. */
export async function* readTable(options: {
  client: pg.Client;
  catalog: CatalogTable;
  table: PreparedTable;
  origin: Origin;
  /** Empty, and left so: the memory that it writes to serves one table after another. */
  batch: RecordBatch;
  onProgress?: ((progress: SnapshotProgress) => void) | undefined;
}): AsyncGenerator<LogRecord[]> {
  const { catalog, table, origin, batch } = options;
  const columns = table.encoder.columns.map((c) => quoteIdent(c.name)).join(', ');
  const from = `${catalog.partitioned ? '' : 'only '}${quoteIdent(table.schema)}.${quoteIdent(table.table)}`;
  const where = catalog.rowFilter ? ` where ${catalog.rowFilter}` : '';
  const stream = options.client.query(copyTo(`COPY (select ${columns} from ${from}${where}) TO STDOUT`));
  const parser = new CopyTextParser(table.encoder.columns.length);
  let rows = 0;
  let reported = 0;
  let enough = firstBatchBytes;
  const report = (done: boolean) =>
    options.onProgress?.({ table: qualifiedName(table), rows, estimatedRows: catalog.estimatedRows, done });
  report(false);
  for await (const chunk of stream) {
    parser.push(chunk as Buffer, (tuple) => {
      batch.upsert(table, tuple, { op: 'r', origin });
      rows++;
    });
    if (batch.bytes < enough) continue;
    yield batch.take();
    enough = Math.min(enough * 2, batchBytes);
    if (rows - reported > 20_000) {
      reported = rows;
      report(false);
    }
  }
  if (batch.length > 0) yield batch.take();
  report(true);
}
