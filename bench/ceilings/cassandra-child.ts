import { insertRows, type Travel } from './cassandra.ts';

/** The bare driver in a process of its own: tells its parent the rate. */
const { records, travel } = JSON.parse(process.argv[2]!) as { records: number; travel: Travel };
process.send!(await insertRows(records, travel));
process.disconnect();
