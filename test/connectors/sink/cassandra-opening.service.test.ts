import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openCassandraStore } from '../../../connectors/sink/cassandra/cassandra-store.ts';
import { servers, uniqueName } from '../../support/servers.ts';

/** Cassandra names a table in system_schema milliseconds before it takes statements for it: most runs meet that. */
const rounds = 3;
const openers = 24;

test('processes that open a new keyspace at once can all use it, whoever of them creates its tables', async () => {
  const { cassandra } = servers();
  for (let round = 0; round < rounds; round++) {
    const keyspace = uniqueName('opening').slice(0, 40);
    const open = async (_: unknown, i: number) => {
      await wait(i * 60);
      const store = await openCassandraStore({
        contactPoints: [cassandra.contactPoint],
        dataCenter: cassandra.dataCenter,
        keyspace,
      });
      try {
        return [await store.active('v'), await store.generations('v')];
      } finally {
        await store.close();
      }
    };
    const outcomes = await Promise.allSettled(Array.from({ length: openers }, open));
    expect(outcomes).toEqual(outcomes.map(() => ({ status: 'fulfilled', value: [null, []] })));
  }
});
