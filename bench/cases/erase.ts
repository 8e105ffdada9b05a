import { type Erased, runErase } from '../ours/erase.ts';
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
    const text = ({ measured, deletedSeconds }: Erased) => {
      const deleted = `${deletedSeconds.toFixed(1)} s until their rows were deleted`;
      const { totalSeconds: total } = measured;
      return `${deleted}, ${total.toFixed(1)} s until all was read back; ${ms(total)} ms each`;
    };
    const ms = (seconds: number) => ((seconds / subjects) * 1000).toFixed(1);
    return {
      ours: { name: 'insideout erase, embedded Log and SQLite', measured: all.measured },
      ceilings: [],
      peers: [],
      notes: {
        [`${subjects} subjects of all rows`]: text(all),
        [`${subjects} subjects of a tenth`]: text(tenth),
      },
    };
  },
};
