import pRetry from 'p-retry';
import type { ColumnType } from '../../../core/column.ts';
import { isInsideoutError } from '../../../core/errors.ts';
import type { GenerationId, ViewShape } from '../../../core/view.ts';
import type { CassandraConnection, CassandraOptions } from './cassandra-connection.ts';
import { isSchemaComing } from './cassandra-errors.ts';

/** Source partition of a row; its write time tells the offset (cassandra-timestamps.ts). */
export const partitionColumn = '"_partition"';

export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Fully qualified names of the tables in a keyspace. */
export interface Tables {
  readonly keyspace: string;
  readonly generations: string;
  readonly claims: string;
  readonly active: string;
  rows(view: string, id: GenerationId): string;
}

export function tablesOf(keyspace: string): Tables {
  const inKeyspace = (name: string) => `${quote(keyspace)}.${quote(name)}`;
  return {
    keyspace,
    generations: inKeyspace('insideout_generations'),
    claims: inKeyspace('insideout_claims'),
    active: inKeyspace('insideout_active'),
    rows: (view, id) => inKeyspace(`${view}_g${id}`),
  };
}

/**
 * Keyspace and the tables of insideout itself, created where missing; what exists is left as it is, so that an
 * operator can choose the replication, and the user needs no right to create.
 *
 * They are written by lightweight transactions only: plain writes carry the client's clock and would not be
 * ordered with them. The claims have a Cassandra partition each, so that batches of different source partitions
 * do not contend; the pointers of a keyspace share one, so that several move in one transaction.
 */
export async function createSchema(
  connection: CassandraConnection,
  options: CassandraOptions,
): Promise<Tables> {
  const tables = tablesOf(options.keyspace);
  const keyspaces = await connection.run(
    'SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?',
    [options.keyspace],
  );
  if (keyspaces.rowLength === 0)
    await connection.runPlain(
      `CREATE KEYSPACE IF NOT EXISTS ${quote(options.keyspace)} WITH replication = ` +
        `{'class': 'SimpleStrategy', 'replication_factor': ${options.replicationFactor ?? 1}}`,
    );
  const known = await connection.run('SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?', [
    options.keyspace,
  ]);
  const names = new Set(known.rows.map((row) => String(row.table_name)));
  const definitions = {
    insideout_generations: `${tables.generations} (view_name text, generation bigint, shape text, ready boolean,
      sources set<text>, PRIMARY KEY (view_name, generation))`,
    insideout_claims: `${tables.claims} (view_name text, generation bigint, topic text, partition int, epoch bigint,
      next bigint, PRIMARY KEY ((view_name, generation, topic, partition)))`,
    insideout_active: `${tables.active} (pointers text, view_name text, generation bigint,
      PRIMARY KEY (pointers, view_name))`,
  };
  for (const [name, definition] of Object.entries(definitions))
    if (!names.has(name)) await connection.runPlain(`CREATE TABLE IF NOT EXISTS ${definition}`);
  await untilKnown(connection, tables);
  return tables;
}

/**
 * Resolves when Cassandra takes statements for the tables: of one that another process just created it may say that
 * it does not exist although it is listed already. That passes within milliseconds, so what lasts is thrown.
 */
async function untilKnown(connection: CassandraConnection, tables: Tables): Promise<void> {
  const reads = [
    `SELECT shape FROM ${tables.generations} WHERE view_name = '-' AND generation = 0`,
    `SELECT next FROM ${tables.claims} WHERE view_name = '-' AND generation = 0 AND topic = '-' AND partition = 0`,
    `SELECT generation FROM ${tables.active} WHERE pointers = '-' AND view_name = '-'`,
  ];
  await pRetry(() => Promise.all(reads.map((read) => connection.runPlain(read))), {
    retries: 30,
    minTimeout: 10,
    maxTimeout: 500,
    shouldRetry: ({ error }) => isInsideoutError(error) && isSchemaComing(error.cause),
  });
}

const cqlTypes: Readonly<Record<ColumnType, string>> = {
  text: 'text',
  int: 'int',
  bigint: 'bigint',
  float: 'double',
  // Cassandra's decimal has neither NaN nor infinity, and its timestamp ends at milliseconds.
  numeric: 'text',
  boolean: 'boolean',
  bytes: 'blob',
  timestamp: 'text',
  json: 'text',
  array: 'text',
};

/** The table of a generation: each row a Cassandra partition of its own, so that keys spread evenly. */
export function rowsDefinition(table: string, view: ViewShape): string {
  const columns = Object.entries(view.columns).map(([name, type]) => `${quote(name)} ${cqlTypes[type]}`);
  const key = view.key.map(quote).join(', ');
  return `CREATE TABLE IF NOT EXISTS ${table} (${columns.join(', ')}, ${partitionColumn} int, PRIMARY KEY ((${key})))`;
}
