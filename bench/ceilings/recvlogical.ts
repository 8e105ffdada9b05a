import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Ceiling } from '../cases/case.ts';
import { connect } from '../workload/orders.ts';
import { dropReplication } from '../workload/slots.ts';

/** Postgres' own client of a slot, writing to /dev/null, from its start to its end at the last change. */
export async function receiveAlone(options: {
  url: string;
  records: number;
  change(): Promise<void>;
}): Promise<Ceiling> {
  const { url, records, change } = options;
  const binary = pgRecvlogical();
  const client = await connect(url);
  await client.query('create publication bench_bare for table orders');
  await client.query(`select pg_create_logical_replication_slot('bench_bare', 'pgoutput')`);
  await change();
  const { rows } = await client.query<{ end: string }>('select pg_current_wal_insert_lsn() as end');
  // Something after the end, so that the client comes past it.
  await client.query(`select pg_logical_emit_message(true, 'bench', 'end')`);
  await client.end();
  const args = [
    ...['--dbname', url, '--slot', 'bench_bare', '--start', '--file', '/dev/null', '--no-loop'],
    ...['--endpos', rows[0]!.end, '-o', 'proto_version=1', '-o', 'publication_names=bench_bare'],
  ];
  const startedAt = performance.now();
  const code = await new Promise<number | null>((resolve, reject) => {
    spawn(binary, args, { stdio: ['ignore', 'ignore', 'inherit'] })
      .once('error', reject)
      .once('exit', resolve);
  });
  const seconds = (performance.now() - startedAt) / 1000;
  if (code !== 0) throw new Error(`pg_recvlogical ended with ${code}`);
  await dropReplication(url);
  return { name: 'pg_recvlogical alone', recordsPerSecond: records / seconds };
}

/** It is not among the packages' binaries; every package of a system has it. */
function pgRecvlogical(): string {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
  ];
  const found = folders.map((folder) => join(folder, 'pg_recvlogical')).find(existsSync);
  if (!found) throw new Error("pg_recvlogical is missing; install the system's PostgreSQL client");
  return found;
}
