import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Finding } from '../../connectors/source/source.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { runCli } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';

test('doctor compares views with their tables and topics, before the first start as well', async () => {
  const db = await createDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'insideout-doctor-views-'));
  const view = (name: string, more: object) => ({
    name,
    from: 'shop.public.t',
    store: 'local',
    key: ['id'],
    columns: { id: 'bigint', name: 'text' },
    ...more,
  });
  const ofV = { from: 'shop.public.v', columns: { id: 'bigint', at: 'timestamp' } };
  const config = {
    sources: {
      shop: { kind: 'postgres', url: db.url, slot: `slot_${db.name}`, retention: { 'public.v': 1_000 } },
    },
    log: { kind: 'embedded', path: 'log.db' },
    stores: { local: { kind: 'sqlite', path: 'views.db' } },
    views: [
      view('fits', {}),
      view('misspelled', { columns: { id: 'bigint', nmae: 'text' } }),
      view('wrong_key', { key: ['name'] }),
      view('wrong_type', { columns: { id: 'bigint', name: 'boolean' } }),
      view('no_table', { from: 'shop.public.u' }),
      view('no_source', { from: 'shp.public.t' }),
      view('foreign', { from: 'other.topic' }),
      view('outlives', { ...ofV, ttl: { column: 'at', ms: 1_001 } }),
      view('ends', { ...ofV, ttl: { column: 'at', ms: 1_000 } }),
    ],
  };
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
  const findings = async () => {
    const { code, output } = await runCli(['doctor', '--json'], { cwd: folder });
    const found: Finding[] = JSON.parse(output).findings;
    const ofViews = found.filter((f) => f.check.startsWith('view '));
    return { code, told: ofViews.map((f) => `${f.severity} ${f.check}: ${f.message}`), ofViews };
  };
  try {
    await db.client.query(
      `create table t (id bigint primary key, name text); create table v (id bigint primary key, at timestamptz);
       create publication insideout_shop for table t, v`,
    );
    const first = await findings();
    expect(first.code).toBe(3);
    const told = [
      'info view fits: It fits the table behind shop.public.t, whose topic is created when its source starts.',
      'warning view misspelled: It reads "nmae", which its records do not have: it is null in every row.',
      'error view wrong_key: Its key is made of "name", and the key of its records of "id": rows would be lost.',
      'error view wrong_type: Its column "name" is declared as boolean, in which no value of the column has an exact form.',
      'error view no_table: Its topic shop.public.u is none that the source "shop" writes.',
      'error view no_source: There is no topic shp.public.t, and no source of this config will create it.',
      'error view foreign: There is no topic other.topic, and no source of this config will create it.',
      'warning view outlives: Its topic shop.public.v keeps records for 1000 ms, and its rows live longer: a rebuild would lack those that were written before.',
      'info view ends: It fits the table behind shop.public.v, whose topic is created when its source starts.',
    ];
    expect(first.told).toEqual(told);
    for (const { severity, mend } of first.ofViews) expect(mend === null).toBe(severity === 'info');

    const log = await openEmbeddedLog({ path: join(folder, 'log.db') });
    await log.ensureTopics(
      ['shop.public.t', 'other.topic'].map((name) => ({ name, partitions: 1, cleanup: 'compact' })),
    );
    await log.close();
    expect((await findings()).told).toEqual([
      'info view fits: It fits the table behind shop.public.t.',
      ...told.slice(1, -3),
      'info view foreign: Its topic other.topic is there.',
      ...told.slice(-2),
    ]);
  } finally {
    await db.drop();
  }
});
