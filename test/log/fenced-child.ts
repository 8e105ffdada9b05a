import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { openKafkaLog } from '../../log/kafka/kafka-log.ts';
import { servers } from '../support/servers.ts';

/** A process to be killed: appends fenced, for ever, 40 records under each number, and prints what it appended. */
const [path = '', topic = '', id = ''] = process.argv.slice(2);
const log =
  path === 'kafka'
    ? await openKafkaLog({ brokers: [servers().kafka], registry: { url: servers().registry } })
    : await openEmbeddedLog({ path });
const writer = await log.fencedWriter(id);
for (let i = 0; ; i++) {
  const value = Buffer.from(String(i).padEnd(500));
  const record = { topic, key: value, value, timestamp: i };
  await writer.append(Array.from({ length: 40 }, (_, r) => ({ ...record, partition: r % 2 })));
  process.stdout.write(`${i}\n`);
}
