import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import { type BlueRun, measureBlue } from '../ours/blue.ts';
import { createOrders } from '../workload/orders.ts';
import { dropReplication } from '../workload/slots.ts';
import type { Case, Latency } from './case.ts';

const limit = 40_000;

export const rebuildBlue: Case = {
  name: 'rebuild-blue',
  about:
    'from commit to visible in the view that readers see, at 1,000 transactions a second, while it is built anew beside itself in the same SQLite file',
  servers: ['postgres', 'kafka', 'registry'],
  records: 1_000_000,
  run: async ({ records, run, profile, servers, say }) => {
    const { url } = servers.postgres;
    await createOrders(url, records);
    const folder = mkdtempSync(join(tmpdir(), 'insideout-bench-'));
    const path = join(folder, 'views.db');
    const store = await openSqliteStore({ path });
    const measure = (maxRecordsPerSecond: number | null) => {
      say(maxRecordsPerSecond === null ? 'green as fast as it goes' : `green at ${maxRecordsPerSecond}/s`);
      const options: BlueRun = {
        url,
        records,
        path,
        store,
        name: `blue${run}`,
        maxRecordsPerSecond,
        profile,
      };
      return measureBlue(options);
    };
    const full = await measure(null);
    const limited = await measure(limit);
    await store.close();
    await dropReplication(url);
    rmSync(folder, { recursive: true });
    return {
      ours: { name: 'blue, while green builds', measured: full.green, latencyMs: full.during },
      ceilings: [],
      peers: [],
      notes: {
        'blue alone': text(full.alone),
        [`while green builds ${limit} records/s in each process`]: text(limited.during),
      },
    };
  },
};

const text = ({ p50, p99 }: Latency): string => `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
