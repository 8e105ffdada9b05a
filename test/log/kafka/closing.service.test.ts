import { expect, test } from 'vitest';
import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import { eventually } from '../../support/eventually.ts';
import { servers, uniqueName } from '../../support/servers.ts';

const { kafka, registry } = servers();
const open = () => openKafkaLog({ brokers: [kafka], registry: { url: registry } });
const sockets = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;

test('a Log that is closed while a reading begins leaves no connection behind, for which a command would never end', async () => {
  const topic = uniqueName('closing');
  const first = await open();
  await first.ensureTopics([{ name: topic, partitions: 1, cleanup: 'delete' }]);
  await first.close();
  await eventually('the first has gone', () => sockets() === 0);
  for (let i = 0; i < 60; i++) {
    const log = await open();
    const stop = new AbortController();
    const batches = log.consume({ topics: [topic], from: async () => 0, signal: stop.signal });
    const ended = batches[Symbol.asyncIterator]().next();
    await log.offsets([topic]);
    stop.abort();
    expect((await ended).done).toBe(true);
    await log.close();
  }
  await eventually('all have gone', () => sockets() === 0, 10);
});
