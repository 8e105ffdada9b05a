import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import { servers } from '../../support/servers.ts';

/** A member of a group, for tests that kill one: prints the number of each partition that it is given. */
const [topic = '', group = ''] = process.argv.slice(2);
const log = await openKafkaLog({ brokers: [servers().kafka], registry: { url: servers().registry } });
const batches = log.consume({
  topics: [topic],
  group,
  from: async (_, partition) => {
    process.stdout.write(`${partition}\n`);
    return 0;
  },
  signal: new AbortController().signal,
});
for await (const _ of batches);
