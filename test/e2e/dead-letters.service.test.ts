import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openKafkaLog } from '../../log/kafka/kafka-log.ts';
import { startCli } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { servers, uniqueName } from '../support/servers.ts';

test('a poison record is set aside with its origin and bytes, counted and shown, and the view goes on', async () => {
  const db = await createDatabase();
  const source = uniqueName('shop');
  const topic = `${source}.public.t`;
  const folder = mkdtempSync(join(tmpdir(), 'insideout-poison-'));
  const { kafka, registry } = servers();
  const config = {
    // Generations are recorded in the Log, which other tests' views of this name share.
    namespace: source,
    sources: {
      [source]: {
        kind: 'postgres',
        url: db.url,
        tables: ['public.t'],
        slot: `slot_${db.name}`,
        partitions: 1,
      },
    },
    log: { kind: 'kafka', brokers: [kafka], registry: { url: registry } },
    stores: { local: { kind: 'sqlite', path: 'views.db' } },
    views: [{ name: 't', from: topic, store: 'local', key: ['id'], columns: { id: 'bigint', v: 'text' } }],
    http: false,
  };
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
  await db.client.query("create table t (id bigint primary key, v text); insert into t values (1, 'before')");
  const daemon = startCli(['up'], { cwd: folder });
  const log = await openKafkaLog({ brokers: [kafka], registry: { url: registry } });
  const insideout = async (...args: string[]) => {
    const cli = startCli(args, { cwd: folder });
    return { code: await cli.exited, output: cli.output() };
  };
  try {
    await eventually('the topic is there', async () => (await log.partitions([topic])).has(topic));
    const poison = Buffer.from('this is not Avro');
    await log.append([{ topic, partition: 0, key: poison, value: poison, timestamp: 1 }]);
    await db.client.query("insert into t values (2, 'after')");
    await eventually(
      'the view has gone on',
      async () => (await insideout('get', 't', '2', '--json')).code === 0,
    );

    const status = JSON.parse((await insideout('status', '--json')).output);
    expect(status.views[0]).toMatchObject({ name: 't', lag: 0, deadLetters: 1 });
    const [letter] = JSON.parse((await insideout('dlq', 'list', '--json')).output).filter(
      (l: { topic: string }) => l.topic === topic,
    );
    expect(letter).toMatchObject({
      topic,
      partition: 0,
      view: 't',
      stage: 'decode',
      code: 'RECORD_UNDECODABLE',
    });
    const [shown] = JSON.parse(
      (await insideout('dlq', 'show', topic, '0', String(letter.offset), '--json')).output,
    );
    expect(Buffer.from(shown.value, 'base64').equals(poison)).toBe(true);
    const told = daemon
      .output()
      .split('\n')
      .filter((line) => line.includes('became a dead letter'));
    expect(told.map((line) => JSON.parse(line))).toMatchObject([
      {
        level: 'warn',
        view: 't',
        topic,
        partition: 0,
        offset: letter.offset,
        code: 'RECORD_UNDECODABLE',
        mend: expect.stringContaining('insideout dlq show'),
      },
    ]);
    expect(daemon.output()).not.toContain('this is not Avro');
    expect(await daemon.end('SIGTERM')).toBe(0);
  } finally {
    daemon.child.kill('SIGKILL');
    await log.close();
    await db.drop();
  }
});
