import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PostgresSourceOptions } from '../../connectors/source/postgres/options.ts';
import { postgresSource } from '../../connectors/source/postgres/postgres-source.ts';
import { pump } from '../../connectors/source/pump.ts';
import type { Lsn } from '../../core/lsn.ts';
import { type EmbeddedLog, openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import type { Log, StoredRecord } from '../../log/log.ts';
import { readToEnd } from '../../log/read-to-end.ts';
import { decodeAvro } from './avro-decode.ts';

export interface Capture {
  readonly acknowledged: Lsn[];
  /** Rejects when the source fails. */
  readonly done: Promise<void>;
  stop(): Promise<void>;
}

export const temporaryLog = (): Promise<EmbeddedLog> =>
  openEmbeddedLog({ path: join(mkdtempSync(join(tmpdir(), 'insideout-log-')), 'log.db') });

/** Runs a source of the database into a Log until it is stopped. */
export function capture(log: Log, options: Partial<PostgresSourceOptions> & { url: string }): Capture {
  const controller = new AbortController();
  const acknowledged: Lsn[] = [];
  const source = postgresSource(
    { name: 'shop', publication: 'insideout_shop', slot: slotOf(options.url), ...options },
    log,
  );
  const done = pump({
    source,
    log,
    signal: controller.signal,
    observe: {
      appended: () => {},
      acknowledged: (lsn) => acknowledged.push(lsn),
      committedAt: () => {},
      connected: () => {},
    },
  });
  done.catch(() => {});
  return {
    acknowledged,
    done,
    stop: async () => {
      controller.abort();
      await done;
    },
  };
}

/** Slots are the server's, not the database's, so each database gets one with its own name. */
export const slotOf = (url: string): string => `slot_${new URL(url).pathname.slice(1)}`;

export interface LoggedRecord extends StoredRecord {
  readonly partition: number;
}

/** Every record that a topic holds now, per partition in order. */
export async function recordsOf(log: Log, topic: string): Promise<LoggedRecord[]> {
  const records: LoggedRecord[] = [];
  for await (const { partition, records: some } of readToEnd(log, [topic]))
    for (const record of some) records.push({ ...record, partition });
  return records;
}

/** The table that a topic's records amount to: JSON of the key to the decoded row. */
export async function tableOf(log: Log, topic: string): Promise<Map<string, Record<string, unknown>>> {
  const rows = new Map<string, { partition: number; row: Record<string, unknown> }>();
  for (const record of await recordsOf(log, topic)) {
    if (record.headers.op?.toString() === 't') {
      for (const [key, { partition }] of rows) if (partition === record.partition) rows.delete(key);
      continue;
    }
    const key = JSON.stringify(await decodeAvro(log.schemas, record.key!), (_n, v) =>
      typeof v === 'bigint' ? shortest(v) : v,
    );
    if (record.value === null) rows.delete(key);
    else rows.set(key, { partition: record.partition, row: await decodeAvro(log.schemas, record.value) });
  }
  return new Map([...rows].map(([key, { row }]) => [key, row]));
}

/** Integers of keys are longs: most are read more easily as numbers. */
const shortest = (n: bigint): number | string => (BigInt.asIntN(53, n) === n ? Number(n) : n.toString());
