import { join } from 'node:path';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { copyAlone } from '../ceilings/copy.ts';
import { appendAlone } from '../ceilings/sqlite-log.ts';
import { countUntil } from '../measure/counted.ts';
import { Workplace } from '../ours/daemon.ts';
import { sourceConfig, topicOf } from '../ours/source.ts';
import { createOrders } from '../workload/orders.ts';
import { dropReplication } from '../workload/slots.ts';
import type { Case } from './case.ts';

export const logEmbedded: Case = {
  name: 'log-embedded',
  about: 'a table that exists, into the Log as a SQLite file',
  servers: ['postgres'],
  records: 1_000_000,
  run: async ({ records, run, profile, servers, say }) => {
    const { url } = servers.postgres;
    if (run === 0) {
      say(`making ${records} rows`);
      await createOrders(url, records);
    }
    const name = `embedded${run}`;
    const place = new Workplace(
      { sources: { [name]: sourceConfig(url, 'initial') }, log: { kind: 'embedded', path: 'log.db' } },
      { profile },
    );
    say('insideout');
    const log = await openEmbeddedLog({ path: join(place.folder, 'log.db') });
    const daemon = place.start('source', 'run', '--http-port', 'off');
    const measured = await countUntil({
      ...daemon,
      count: async () => {
        const topic = topicOf(name);
        if (!(await log.partitions([topic])).has(topic)) return 0;
        return [...(await log.offsets([topic])).values()].reduce((sum, { end }) => sum + end, 0);
      },
      target: records,
    });
    await daemon.stop();
    await log.close();
    place.remove();
    await dropReplication(url);
    say('COPY and better-sqlite3 alone');
    const ceilings = [await copyAlone(url, records), appendAlone(records)];
    return { ours: { name: 'insideout, SQLite file', measured }, ceilings, peers: [] };
  },
};
