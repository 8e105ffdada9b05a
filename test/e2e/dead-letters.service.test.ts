import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { InsideoutError } from '../../core/errors.ts';
import { openKafkaLog } from '../../log/kafka/kafka-log.ts';
import { writeDeadLetters } from '../../materializer/apply/dead-letters.ts';
import { runCli, startCli } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { servers, uniqueName } from '../support/servers.ts';

test('a poison record is set aside with its origin and bytes, counted for the view that met it, and the view goes on', async () => {
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
    views: [
      { name: 't', from: topic, store: 'local', key: ['id'], columns: { id: 'bigint', v: 'text' } },
      // The text fits no integer, and whoever does not read it is innocent.
      { name: 'wrong', from: topic, store: 'local', key: ['id'], columns: { id: 'bigint', v: 'int' } },
    ],
    http: false,
  };
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
  await db.client.query("create table t (id bigint primary key, v text); insert into t values (1, 'before')");
  const daemon = startCli(['up'], { cwd: folder });
  const log = await openKafkaLog({ brokers: [kafka], registry: { url: registry } });
  // One that does not end fails with what it printed, rather than with the time of the whole test.
  const insideout = async (...args: string[]) => {
    const { code, output } = await runCli(args, { cwd: folder });
    if (code === null) throw new Error(`insideout ${args.join(' ')} did not end; it printed: ${output}`);
    return { code, output };
  };
  try {
    await eventually('the topic is there', async () => (await log.partitions([topic])).has(topic));
    const poison = Buffer.from('this is not Avro');
    await log.append([{ topic, partition: 0, key: poison, value: poison, timestamp: 1 }]);
    await db.client.query("insert into t values (2, 'after')");
    const atTheEnd = async () =>
      JSON.parse((await insideout('status', '--json')).output).views.every(
        (v: { lag: number | null }) => v.lag === 0,
      );
    await eventually(
      'the view has gone on',
      async () => (await insideout('get', 't', '2', '--json')).code === 0 && (await atTheEnd()),
    );

    const status = JSON.parse((await insideout('status', '--json')).output);
    expect(status.views).toMatchObject([
      { name: 't', lag: 0, deadLetters: 1, deadLettersOfTopic: null },
      { name: 'wrong', deadLetters: 3, deadLettersOfTopic: null },
    ]);
    const { output } = await insideout('status');
    expect(output).toMatch(/^t +local +1 +0 +1 +caught up$/m);
    expect(output).toMatch(/^wrong +local +1 +0 +3 +caught up$/m);
    const [letter] = JSON.parse((await insideout('dlq', 'list', topic, '--json')).output).filter(
      (l: { topic: string; view: string }) => l.topic === topic && l.view === 't',
    );
    expect(letter).toMatchObject({
      topic,
      partition: 0,
      view: 't',
      stage: 'decode',
      code: 'RECORD_UNDECODABLE',
    });
    // The cluster holds those of other projects, too, which are listed when their topic is named.
    const foreign = `${uniqueName('other')}.public.t`;
    const record = { offset: 0, key: poison, value: poison, headers: {}, timestamp: 1 };
    const error = new InsideoutError('RECORD_UNDECODABLE', 'It is poison.', { hint: 'Drink nothing.' });
    await writeDeadLetters(log, [
      { topic: foreign, partition: 0, record, view: 'theirs', stage: 'decode', error, attempts: 1 },
    ]);
    const listed = async (...of: string[]) =>
      JSON.parse((await insideout('dlq', 'list', ...of, '--json')).output).map(
        (l: { topic: string }) => l.topic,
      );
    expect(await listed()).toEqual([topic, topic, topic, topic]);
    expect(await listed(foreign)).toEqual([foreign]);
    const [shown] = JSON.parse(
      (await insideout('dlq', 'show', topic, '0', String(letter.offset), '--json')).output,
    );
    expect(Buffer.from(shown.value, 'base64').equals(poison)).toBe(true);
    const told = daemon
      .output()
      .split('\n')
      .filter((line) => line.includes('became a dead letter'))
      .map((line) => JSON.parse(line));
    const origin = { level: 'warn', topic, partition: 0 };
    expect(told.filter(({ view }) => view === 't')).toMatchObject([
      {
        ...origin,
        offset: letter.offset,
        code: 'RECORD_UNDECODABLE',
        mend: expect.stringContaining('insideout dlq show'),
      },
    ]);
    expect(told.filter(({ view }) => view === 'wrong').map(({ code }) => code)).toEqual([
      'RECORD_UNDECODABLE',
      'RECORD_UNCONVERTIBLE',
    ]);
    expect(daemon.output()).not.toContain('this is not Avro');
    expect(await daemon.end('SIGTERM')).toBe(0);
  } finally {
    daemon.child.kill('SIGKILL');
    await log.close();
    await db.drop();
  }
});
