import { Client } from 'cassandra-driver';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCassandraStore } from '../../../connectors/sink/cassandra/cassandra-store.ts';
import { openRedisStore } from '../../../connectors/sink/redis/redis-store.ts';
import type { Generation } from '../../../connectors/sink/view-store.ts';
import type { ViewShape } from '../../../core/view.ts';
import { type RunningRedis, startRedis } from '../../../stack/redis.ts';
import { eventually } from '../../support/eventually.ts';
import { filesBelow } from '../../support/files-below.ts';
import { servers, uniqueName } from '../../support/servers.ts';

const view: ViewShape = { name: 'card', columns: { id: 'bigint', name: 'text' }, key: ['id'] };
const mark = 'a secret that nobody else has';

async function fill(generation: Generation): Promise<void> {
  const changes = [1n, 2n].map((id, offset) => {
    return { op: 'upsert', offset, key: [id], row: { id, name: id === 1n ? mark : 'kept' } } as const;
  });
  const claim = await generation.claim('t', 0);
  await generation.apply(claim, { topic: 't', partition: 0, from: 0, next: 2, changes });
}

describe('Redis', () => {
  let server: RunningRedis;
  let admin: Redis;
  let folder: string;
  beforeAll(async () => {
    server = await startRedis();
    admin = new Redis(server.url);
    folder = ((await admin.config('GET', 'dir')) as string[])[1]!;
  });
  afterAll(async () => {
    admin?.disconnect();
    await server?.stop();
  });
  const found = () => filesBelow(folder).filter((bytes) => bytes.includes(mark)).length;

  test.each(['string', 'hash'] as const)(
    'holds no byte of an erased row, a %s, in its append-only file and its snapshot once it was scrubbed',
    async (rows) => {
      const store = await openRedisStore({ url: server.url, prefix: `${rows}s:`, rows });
      const generation = await store.open(view, 1);
      await fill(generation);
      await admin.config('SET', 'rdbcompression', 'no');
      await admin.save();
      expect(found()).toBe(2);
      await generation.erase([[1n]]);
      await admin.config('SET', 'save', '3600 1');
      expect(await store.scrub()).toBeNull();
      expect(found()).toBe(0);
      expect(await generation.get([2n])).toEqual({ id: 2n, name: 'kept' });
      await store.close();
    },
  );

  test('a snapshot that no setting asks for any more is written anew as well', async () => {
    const store = await openRedisStore({ url: server.url, prefix: 'old:' });
    const generation = await store.open(view, 1);
    await fill(generation);
    await admin.config('SET', 'rdbcompression', 'no');
    await admin.config('SET', 'save', '');
    await admin.bgsave();
    await eventually('the snapshot is written', async () =>
      (await admin.info('persistence')).includes('rdb_bgsave_in_progress:0'),
    );
    await generation.erase([[1n]]);
    expect(await store.scrub()).toBeNull();
    expect(found()).toBe(0);
    await store.close();
  });

  test('a user that may not ask for the settings, or not write the files anew, gets a sentence', async () => {
    await admin.call('ACL', ['SETUSER', 'blind', 'on', '>p', '~*', '+@all', '-config']);
    await admin.call('ACL', ['SETUSER', 'mute', 'on', '>p', '~*', '+@all', '-bgrewriteaof']);
    const blind = await openRedisStore({ url: server.url.replace('//', '//blind:p@') });
    expect(await blind.scrub()).toMatch(/run BGREWRITEAOF and BGSAVE as an administrator/);
    const mute = await openRedisStore({ url: server.url.replace('//', '//mute:p@') });
    expect(await mute.scrub()).toMatch(/BGREWRITEAOF did not succeed/);
    await blind.close();
    await mute.close();
  });

  test('replicas are named, since they have files of their own', async () => {
    const replica = await startRedis();
    const other = new Redis(replica.url);
    const { port } = new URL(server.url);
    await other.replicaof('127.0.0.1', Number(port));
    const store = await openRedisStore({ url: server.url });
    await eventually('the replica follows', async () =>
      (await admin.info('replication')).includes('state=online'),
    );
    expect(await store.scrub()).toMatch(new RegExp(`127\\.0\\.0\\.1:${new URL(replica.url).port}`));
    await store.close();
    other.disconnect();
    await replica.stop();
  });
});

describe('Cassandra', () => {
  const keyspace = uniqueName('scrub');
  const { contactPoint, dataCenter } = servers().cassandra;
  const client = new Client({ contactPoints: [contactPoint], localDataCenter: dataCenter });
  afterAll(async () => {
    await client.execute(`DROP KEYSPACE IF EXISTS ${keyspace}`).catch(() => {});
    await client.shutdown();
  });

  test('never says that the bytes are gone, but what mends it and when', async () => {
    const store = await openCassandraStore({ contactPoints: [contactPoint], dataCenter, keyspace });
    await fill(await store.open(view, 1));
    const sentence = await store.scrub();
    for (const part of ['flush', 'garbagecollect', 'compact', 'clearsnapshot'])
      expect(sentence).toContain(`nodetool ${part}`);
    const until = new Date(/(\S+Z)\.$/.exec(sentence ?? '')?.[1] ?? '').getTime();
    expect(Math.abs(until - Date.now() - 864_000_000)).toBeLessThan(60_000);
    expect(store.files()).toEqual([]);
    await store.close();
  });

  test('a row is erased at its own write time, so a write of the next offset wins over it', async () => {
    const store = await openCassandraStore({ contactPoints: [contactPoint], dataCenter, keyspace });
    const generation = await store.open({ ...view, name: 'timed' }, 1);
    await fill(generation);
    const before = await client.execute(
      `SELECT WRITETIME("_partition") AS at FROM ${keyspace}.timed_g1 WHERE id = 1`,
    );
    await generation.erase([[1n]]);
    const late = Number(before.first()?.at) + 1;
    const insertAt = (time: number) =>
      client.execute(
        `INSERT INTO ${keyspace}.timed_g1 (id, name, "_partition") VALUES (1, 'later', 0) USING TIMESTAMP ${time}`,
      );
    await insertAt(late - 1);
    expect(await generation.get([1n])).toBeNull();
    await insertAt(late);
    expect(await generation.get([1n])).toEqual({ id: 1n, name: 'later' });
    await store.close();
  });
});
