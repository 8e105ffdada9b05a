import pg from 'pg';
import type { Side } from '../cases/case.ts';
import { countUntil } from '../measure/counted.ts';
import type { Servers } from '../servers.ts';
import { Topics } from '../workload/topics.ts';
import { ConnectFolder, formatNames } from './connect.ts';
import { debeziumTopic, fillDebeziumTopic } from './debezium-source.ts';

/** Rows as a connector of its own wrote them, by upsert into a database of its own on the same server. */
export async function jdbcSink(options: { records: number; servers: Servers }): Promise<Side> {
  const { records, servers } = options;
  const { url } = servers.postgres;
  const topics = await Topics.open();
  const format = 'avro';
  await fillDebeziumTopic({ format, url, records, topics });
  const target = url.replace(/\/[^/]*$/, '/bench_sink');
  await inDatabase(url, 'drop database if exists bench_sink', 'create database bench_sink');
  const folder = await ConnectFolder.make('debezium-jdbc', format);
  const client = new pg.Client({ connectionString: target });
  await client.connect();
  const { hostname, port } = new URL(url);
  const worker = await folder.start(
    {
      name: `orders-sink-${process.pid}-${Date.now()}`,
      'connector.class': 'io.debezium.connector.jdbc.JdbcSinkConnector',
      'tasks.max': 2,
      topics: debeziumTopic,
      'connection.url': `jdbc:postgresql://${hostname}:${port}/bench_sink?reWriteBatchedInserts=true`,
      'connection.username': 'postgres',
      'connection.password': 'none',
      'insert.mode': 'upsert',
      'delete.enabled': true,
      'primary.key.mode': 'record_key',
      'schema.evolution': 'basic',
      'collection.name.format': 'orders_view',
      'batch.size': 5_000,
      'use.reduction.buffer': true,
      'consumer.override.max.poll.records': 10_000,
      'consumer.override.auto.offset.reset': 'earliest',
    },
    {},
  );
  const measured = await countUntil({
    ...worker,
    // Counting the rows themselves would be work for the same server.
    count: async () => {
      const { rows } = await client.query<{ n: string }>(
        `select n_tup_ins as n from pg_stat_user_tables where relname = 'orders_view'`,
      );
      return Number(rows[0]?.n ?? 0);
    },
    target: records,
  });
  await worker.stop();
  folder.remove();
  await client.end();
  await topics.remove(debeziumTopic);
  await topics.close();
  return { name: `Debezium's JDBC sink 3.5.0 to Postgres, ${formatNames[format]}`, measured };
}

async function inDatabase(url: string, ...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}
