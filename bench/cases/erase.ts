import { runErase } from '../ours/erase.ts';
import type { Case } from './case.ts';

const subjects = 1_000;

export const erase: Case = {
  name: 'erase',
  about: 'a thousand subjects erased and proven by one command, of tables of this many rows and of a tenth',
  servers: ['postgres'],
  records: 100_000,
  run: async ({ records, run, profile, servers, say }) => {
    const { url } = servers.postgres;
    const measure = (customers: number, name: string) => {
      say(`${subjects} of ${customers} customers`);
      return runErase({ name, url, customers, subjects, profile });
    };
    const tenth = await measure(Math.max(subjects, Math.ceil(records / 10)), `tenth${run}`);
    const all = await measure(Math.max(subjects, records), `all${run}`);
    const each = (seconds: number) => `${((seconds / subjects) * 1000).toFixed(1)} ms`;
    return {
      ours: { name: 'insideout erase, embedded Log and SQLite', measured: all },
      ceilings: [],
      peers: [],
      notes: {
        [`${subjects} subjects of all rows`]: `${all.totalSeconds.toFixed(1)} s, ${each(all.totalSeconds)} each`,
        [`${subjects} subjects of a tenth`]: `${tenth.totalSeconds.toFixed(1)} s, ${each(tenth.totalSeconds)} each`,
      },
    };
  },
};
