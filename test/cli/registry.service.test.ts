import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { servers, uniqueName } from '../support/servers.ts';

const elsewhere = new URL('/nope', servers().registry).href;
const sentence = `What answers at ${elsewhere} is no Confluent-compatible schema registry.`;

/** A folder with a source of the database and Kafka as its Log. YAML is a superset of JSON. */
function project(db: { url: string; name: string }, registry: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-registry-'));
  const config = {
    sources: {
      [uniqueName('shop')]: {
        kind: 'postgres',
        url: db.url,
        tables: ['public.t'],
        slot: `slot_${db.name}`,
      },
    },
    log: { kind: 'kafka', brokers: [servers().kafka], registry: { url: registry } },
    http: false,
  };
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
  return folder;
}

test('a registry url without its path is found by doctor, and stops `up` instead of being tried for ever', async () => {
  const db = await createDatabase();
  try {
    await db.client.query('create table t (id bigint primary key); insert into t values (1)');
    const wrong = project(db, elsewhere);
    const doctor = await runCli(['doctor'], { cwd: wrong });
    expect(doctor.output).toContain(`fail  registry: ${sentence}`);
    expect(doctor.code).toBe(3);
    const up = await runCli(['up'], { cwd: wrong });
    expect(up.output).toContain(`error: ${sentence}`);
    expect(up.output).toMatch(/^mend: Correct `registry\.url` .*\/apis\/ccompat\/v7/m);
    expect(up.code).toBe(3);
    const { rows } = await db.client.query('select 1 from pg_replication_slots where slot_name = $1', [
      `slot_${db.name}`,
    ]);
    expect(rows).toEqual([]);
    const right = await runCli(['doctor'], { cwd: project(db, servers().registry) });
    expect(right.output).toContain('ok    registry: The schema registry answers.');
    expect(right.code).toBe(0);
  } finally {
    await db.drop();
  }
});
