import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import avro from 'avsc';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { partitionOf } from '../../core/partition.ts';
import { checkConfig } from '../../daemon/config/check.ts';
import { Erasures } from '../../daemon/erasures.ts';
import { runDaemon } from '../../daemon/run.ts';
import { deletesTopic, signDelete } from '../../deletes/deletes-topic.ts';
import { openKafkaLog } from '../../log/kafka/kafka-log.ts';
import { recordsOf } from '../support/capture.ts';
import { eventually } from '../support/eventually.ts';
import { servers, uniqueName } from '../support/servers.ts';

const schemaOf = (name: string, ...fields: string[]) => ({
  type: 'record',
  name,
  fields: fields.map((field) => ({ name: field, type: 'string' })),
});

test('on Kafka a signed request deletes a key, whatever its partition, and both are gone from the topics after it was finished', async () => {
  const { kafka, registry } = servers();
  const folder = mkdtempSync(join(tmpdir(), 'insideout-topic-deletes-'));
  const namespace = uniqueName('ns').toLowerCase();
  const topic = uniqueName('contacts');
  const secret = 'a-secret-of-the-crm';
  const log = await openKafkaLog({ brokers: [kafka], registry: { url: registry } });
  const stop = new AbortController();
  const config = checkConfig(
    {
      namespace,
      log: { kind: 'kafka', brokers: [kafka], registry: { url: registry } },
      stores: { local: { kind: 'sqlite', path: join(folder, 'views.db') } },
      views: [
        {
          name: 'contact',
          from: topic,
          store: 'local',
          key: ['code'],
          columns: { code: 'text', mail: 'text' },
        },
      ],
      erasure: { key: join(folder, 'key.pem') },
      deletes: { tokens: { crm: secret } },
      http: false,
    },
    'test',
  );
  const framed = async (schema: ReturnType<typeof schemaOf>, row: object) => {
    const header = Buffer.alloc(5);
    header.writeUInt32BE(await log.schemas.register(`${topic}-${schema.name}`, schema), 1);
    return Buffer.concat([header, avro.Type.forSchema(schema as avro.Schema).toBuffer(row)]);
  };
  const contact = async (code: string, partition?: number) => {
    const key = await framed(schemaOf('Key', 'code'), { code });
    const value = await framed(schemaOf('Contact', 'code', 'mail'), { code, mail: `${code}@example.com` });
    const record = { topic, partition: partition ?? partitionOf(key, 3), key, value, timestamp: Date.now() };
    await log.append([record]);
  };
  try {
    await log.ensureTopics([{ name: topic, partitions: 3, cleanup: 'compact' }]);
    for (const code of ['anna', 'bert', 'cleo']) await contact(code);
    for (const partition of [0, 1, 2]) await contact('bert', partition);
    const logger = pino({ level: 'silent' });
    const daemon = runDaemon({
      config,
      sources: [],
      views: config.views,
      hooks: {},
      logger,
      signal: stop.signal,
    });
    const requests = deletesTopic(namespace);
    await eventually('the topic', async () => (await log.partitions([requests])).has(requests));
    const request = signDelete({ topic, key: { code: 'bert' } }, { name: 'crm', secret });
    await log.append([{ ...request, topic: requests, partition: 0, timestamp: Date.now() }]);
    const id = request.key.toString();
    await eventually('it is dealt with', async () => (await recordsOf(log, requests)).at(-1)?.value === null);

    const erasures = await Erasures.open(config);
    const [done] = await erasures.finish([id], AbortSignal.timeout(150_000));
    expect(done).toMatchObject({ id, phase: 'completed', subject: topic });
    for (const name of [topic, requests])
      expect(done!.places).toContainEqual(
        expect.objectContaining({ kind: 'topic', name, state: 'verified' }),
      );
    await erasures.close();
    const left = await recordsOf(log, topic);
    expect(left.filter((r) => r.value).map((r) => r.value!.includes('bert'))).toEqual([false, false]);
    expect((await recordsOf(log, requests)).filter((r) => r.value)).toEqual([]);
    stop.abort();
    expect(await daemon).toEqual([]);
  } finally {
    stop.abort();
    await log.deleteTopics((await log.topics()).filter((t) => t === topic || t.includes(namespace)));
    await log.close();
    rmSync(folder, { recursive: true });
  }
}, 240_000);
