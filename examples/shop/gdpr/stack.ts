import { Client } from 'cassandra-driver';
import { Redis } from 'ioredis';
import pg from 'pg';
import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import { stackStatus } from '../../../stack/stack.ts';
import { serverNames, servers } from '../../../stack/versions.ts';

/** Where the servers of `npm run stack` answer, and a name for what the demo puts into them. */
export interface StackPlaces {
  readonly name: string;
  readonly kafka: string;
  readonly registry: string;
  readonly redis: string;
  readonly cassandra: string;
  readonly dataCenter: string;
}

/** A database, topics, a prefix and a keyspace of the demo's own on the servers of `npm run stack`. */
export async function borrowStack(): Promise<{
  url: string;
  places: StackPlaces;
  giveBack(): Promise<void>;
}> {
  const missing = (await stackStatus(serverNames)).filter((server) => !server.ready);
  if (missing.length > 0)
    throw new Error(`not running: ${missing.map((s) => s.name).join(', ')}; npm run stack -- start`);
  const places: StackPlaces = {
    name: `gdpr_${process.pid.toString(36)}${Date.now().toString(36)}`,
    kafka: `127.0.0.1:${servers.kafka.port}`,
    registry: `http://127.0.0.1:${servers.registry.port}/apis/ccompat/v7`,
    redis: `redis://127.0.0.1:${servers.redis.port}`,
    cassandra: `127.0.0.1:${servers.cassandra.port}`,
    dataCenter: 'datacenter1',
  };
  const server = `postgres://postgres@127.0.0.1:${servers.postgres.port}`;
  const admin = new pg.Client({ connectionString: `${server}/postgres` });
  await admin.connect();
  await admin.query(`create database ${places.name}`);
  return {
    url: `${server}/${places.name}`,
    places,
    giveBack: async () => {
      await admin.query(
        `select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = $1`,
        [places.name],
      );
      await admin.query(`drop database if exists ${places.name} with (force)`);
      await admin.end();
      await emptyStores(places);
      await emptyLog(places);
    },
  };
}

async function emptyLog({ name, kafka, registry }: StackPlaces): Promise<void> {
  const log = await openKafkaLog({ brokers: [kafka], registry: { url: registry } });
  const topics = (await log.topics()).filter((topic) => topic.split('.').some((part) => part.endsWith(name)));
  await log.deleteTopics(topics);
  await log.close();
}

async function emptyStores({ name, redis, cassandra, dataCenter }: StackPlaces): Promise<void> {
  const client = new Redis(redis);
  const keys = await client.keys(`${name}:*`);
  if (keys.length > 0) await client.unlink(...keys);
  await client.quit();
  const session = new Client({ contactPoints: [cassandra], localDataCenter: dataCenter });
  await session.execute(`drop keyspace if exists ${name}`);
  await session.shutdown();
}
