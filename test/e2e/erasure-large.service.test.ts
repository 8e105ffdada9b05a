import { Kafka, logLevel } from 'kafkajs';
import { expect, onTestFinished, test } from 'vitest';
import { journalTopic } from '../../deletes/journal.ts';
import { openKafkaLog } from '../../log/kafka/kafka-log.ts';
import { recordsOf } from '../support/capture.ts';
import { createTopic } from '../support/create-topic.ts';
import { servers } from '../support/servers.ts';
import { erasureProject, placeOf, poison } from './erasure-project.ts';

const orders = 150_000;

test(`a subject with ${orders} rows is erased to its certificate, and no event of the journal is larger than any Log takes`, {
  timeout: 180_000,
}, async () => {
  const { kafka, registry } = servers();
  const options = { brokers: [kafka], registry: { url: registry } };
  const log = await openKafkaLog(options);
  onTestFinished(() => log.close());
  const project = await erasureProject({
    log: { config: { kind: 'kafka', ...options }, open: () => openKafkaLog(options) },
  });
  const { db, topic, source } = project;
  await db.client.query(
    `insert into orders select 100000000 + n, ${poison}, 'order' from generate_series(1, ${orders}) n`,
  );
  project.up();
  await project.caughtUp();
  expect(await project.row('orders', 100_000_000 + orders)).toMatchObject({ note: 'order' });

  const { code, answer } = await project.ask('erase', 'customer', String(poison), '--wait');
  expect([code, answer[0].phase]).toEqual([0, 'completed']);
  expect(answer[0].rows['public.orders']).toBe(orders + 2);
  const { places } = answer[0].certificate.body;
  // Payments are known by the orders that they refer to.
  for (const table of ['orders', 'payments'])
    expect(placeOf(places, 'topic', topic(table))).toMatchObject({ state: 'verified' });
  expect(placeOf(places, 'generation', 'local/orders_local g1')).toMatchObject({ state: 'verified' });

  const events = (await recordsOf(log, journalTopic(source))).map(({ value }) => value!);
  expect(Math.max(...events.map((event) => event.length))).toBeLessThan(1_000_000);
  const found = events.map((event) => JSON.parse(event.toString())).filter(({ type }) => type === 'found');
  expect(found.length).toBeGreaterThan(10);
  expect(found.map(({ more }) => more === true)).toEqual(found.map((_, i) => i < found.length - 1));
});

test('where the Log does not take what is to be written down of a subject, the command ends and says so, and nothing is deleted', {
  timeout: 60_000,
}, async () => {
  const { kafka, registry } = servers();
  const options = { brokers: [kafka], registry: { url: registry } };
  const project = await erasureProject({
    log: { config: { kind: 'kafka', ...options }, open: () => openKafkaLog(options) },
  });
  const admin = new Kafka({ brokers: [kafka], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  onTestFinished(() => admin.disconnect());
  // Room for a request, and not for the hashes of its rows.
  const configEntries = [{ name: 'max.message.bytes', value: '900' }];
  await createTopic(admin, { topic: journalTopic(project.source), numPartitions: 1, configEntries });
  project.up();
  await project.caughtUp();
  const { code, answer } = await project.ask('erase', 'customer', String(poison), '--wait');
  expect([code, answer.error.code]).toEqual([1, 'LOG_RECORD_TOO_LARGE']);
  expect((await project.db.client.query(`select from customers where id = ${poison}`)).rowCount).toBe(1);
});
