import { setImmediate as turn } from 'node:timers/promises';
import Database from 'better-sqlite3';

/**
 * A process that knows nothing of insideout and reads its views `card` and `order_card` with kept statements in a
 * tight loop: each by itself, and both in one read transaction. Prints a line when it sees another generation's
 * mark, and on SIGTERM how many reads it did and what was wrong with any.
 */
const [path, rows] = process.argv.slice(2) as [string, string];
const db = new Database(path, { readonly: true });
const card = db.prepare<[], string>('select mark from card').pluck();
const count = db.prepare<[], number>('select count(*) from card').pluck();
const orderCard = db.prepare<[], string>('select mark from order_card').pluck();
const both = db.transaction(() => [...card.all(), ...orderCard.all()]);

let stopped = false;
process.on('SIGTERM', () => {
  stopped = true;
});
const wrong: string[] = [];
let reads = 0;
let last = '';
while (!stopped) {
  try {
    look(card.all(), Number(rows), 'one view');
    if (count.get() !== Number(rows)) wrong.push('another count');
    look(both(), 2 * Number(rows), 'both views');
    reads++;
  } catch (error) {
    wrong.push(String(error));
  }
  await turn();
}
process.stdout.write(`${JSON.stringify({ reads, wrong: wrong.slice(0, 20) })}\n`);

function look(marks: string[], expected: number, what: string): void {
  if (marks.length !== expected) wrong.push(`${what}: ${marks.length} rows`);
  const [mark, ...others] = new Set(marks);
  if (others.length > 0) wrong.push(`${what}: a mixture`);
  if (mark !== undefined && mark !== last) process.stdout.write(`${mark}\n`);
  last = mark ?? '';
}
