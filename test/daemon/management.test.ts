import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import { checkConfig } from '../../daemon/config/check.ts';
import { Management } from '../../daemon/management.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';

test('a former generation comes back with those that it feeds, so that no reader sees two epochs at once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-management-'));
  // Commands that look after generations create no files.
  await (await openEmbeddedLog({ path: join(folder, 'log.db') })).close();
  await (await openSqliteStore({ path: join(folder, 'views.db') })).close();
  const common = { store: 'local', key: ['id'], columns: { id: 'bigint' } };
  const config = checkConfig(
    {
      log: { kind: 'embedded', path: join(folder, 'log.db') },
      stores: { local: { kind: 'sqlite', path: join(folder, 'views.db') } },
      views: [
        { name: 'card', from: 'shop.public.orders', ...common },
        { name: 'open', from: { view: 'card' }, ...common },
        { name: 'other', from: 'shop.public.orders', ...common },
      ],
    },
    'test',
  );
  const management = await Management.open(config);
  try {
    const { catalog } = management;
    const signal = new AbortController().signal;
    for (const name of ['card', 'other']) {
      const { entries } = await management.stage(name, signal);
      for (const e of entries) await (await management.stores.get(e.store)).open(e.shape, e.generation);
      await management.move(entries, { kind: 'promote', reports: [], force: true });
    }
    const { entries } = await management.stage('card', signal);
    for (const e of entries) await (await management.stores.get(e.store)).open(e.shape, e.generation);
    await management.move(entries, { kind: 'promote', reports: [], force: true });
    expect(catalog.state.generations.map((g) => [g.view, g.generation, g.state])).toContainEqual([
      'card',
      1,
      'grace',
    ]);
    const chosen = (name: string) => management.following(name, 1).map((e) => `${e.view} g${e.generation}`);
    expect(chosen('card')).toEqual(['card g1', 'open g1']);
    expect(chosen('open')).toEqual(['open g1']);
  } finally {
    await management.close();
    rmSync(folder, { recursive: true });
  }
});
