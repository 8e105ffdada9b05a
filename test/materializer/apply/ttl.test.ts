import { afterAll, expect, test } from 'vitest';
import { openMemoryStore } from '../../../connectors/sink/memory/memory-store.ts';
import { openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import { silentObserver } from '../../../materializer/apply/observer.ts';
import { defineView, view } from '../../../materializer/view-definition.ts';
import { runView } from '../../support/run-view.ts';
import { customersTopic, temporaryFolder, topic, until } from '../customers.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

/** Whose rows end a second after the time that is their name. */
const sessions = defineView(
  view({
    name: 'sessions',
    from: topic,
    store: 'memory',
    reads: { id: 'bigint', name: 'text' },
    columns: { id: 'bigint', at: 'timestamp' },
    key: ['id'],
    row: ({ name }) => ({ at: name }),
    ttl: { column: 'at', ms: 1_000 },
  }),
);

test('a row ends after the time in its column, goes to the view topic all the same, and is a dead letter when it has no time', async () => {
  const log = await openEmbeddedLog({ path: folder.path('log.db') });
  const customers = await customersTopic(log);
  const output = 'insideout.view.sessions.g1';
  const named = (id: number, name: string | null) => customers.upsert(id, { name, visits: 0 });
  const later = '2999-01-01 00:00:00+00';
  await log.append([named(1, '2020-01-01 00:00:00+00'), named(2, later), named(3, 'soon'), named(4, null)]);
  const store = openMemoryStore();
  const dead: string[] = [];
  const stopping = new AbortController();
  const ended = runView({
    view: sessions,
    log,
    store,
    output,
    signal: stopping.signal,
    observe: { ...silentObserver, deadLettered: ({ error }) => void dead.push(error.code) },
  });
  const generation = await store.open(sessions.shape, 1);
  await until(async () => (await generation.checkpoint()).get(`${topic}/0`) === 4, 'applied');
  stopping.abort();
  await ended;
  expect(dead).toEqual(['RECORD_UNCONVERTIBLE']);
  expect(await generation.getMany([[1n], [2n], [3n], [4n]])).toEqual([
    null,
    { id: 2n, at: later },
    null,
    { id: 4n, at: null },
  ]);
  expect((await log.offsets([output])).get(`${output}/0`)?.end).toBe(3);
  await log.close();
});
