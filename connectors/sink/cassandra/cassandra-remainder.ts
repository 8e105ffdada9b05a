import type { CassandraConnection } from './cassandra-connection.ts';

/**
 * What `ViewStore.scrub` says of Cassandra. A delete there is a marker; the values are gone when the marker and
 * they have been compacted together, and the marker, which holds the key, after `gc_grace_seconds`. Neither can be
 * ordered through CQL: https://cassandra.apache.org/doc/latest/cassandra/managing/operating/compaction/tombstones.html
 */
export async function remainder(
  connection: CassandraConnection,
  keyspace: string,
  now: () => number = Date.now,
): Promise<string> {
  const found = await connection.run(
    'SELECT gc_grace_seconds FROM system_schema.tables WHERE keyspace_name = ?',
    [keyspace],
  );
  const seconds = Math.max(0, ...found.rows.map((row) => Number(row.gc_grace_seconds)));
  const graceEnds = new Date(now() + seconds * 1000).toISOString().slice(0, 19);
  return (
    `Cassandra keeps the values of deleted rows in the commit log, SSTables and snapshots of the keyspace "${keyspace}" ` +
    `on every node until \`nodetool flush ${keyspace}\`, \`nodetool garbagecollect ${keyspace}\` and ` +
    '`nodetool clearsnapshot --all` (auto_snapshot makes one of each dropped table) are run there, and their keys ' +
    `until \`nodetool compact ${keyspace}\` is run after gc_grace_seconds, at ${graceEnds}Z.`
  );
}
