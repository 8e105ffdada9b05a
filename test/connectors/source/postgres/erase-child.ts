import { postgresEraser } from '../../../../connectors/source/postgres/erase.ts';
import { customer, subject } from './shop.ts';

/** A process to be killed: erases customer after customer, and says when it begins and when one is erased. */
const [url, first] = process.argv.slice(2) as [string, string];
const eraser = postgresEraser({ name: 'shop', url, publication: 'shop', slot: 'unused' });
const declared = subject(customer);
await eraser.find(declared, first);
process.stdout.write('begin\n');
for (let id = Number(first); ; id++) {
  await eraser.erase(declared, String(id), { id: `e${id}` });
  process.stdout.write(`erased ${id}\n`);
}
