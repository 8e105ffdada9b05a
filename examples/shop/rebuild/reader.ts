import { setPriority } from 'node:os';
import Database from 'better-sqlite3';
import { smallSize as size } from '../schema.ts';

/** What a reader saw since it began, or since it was last asked. */
export interface Seen {
  queries: number;
  errors: number;
  empty: number;
  /** Answers that hold rows of two generations. */
  mixed: number;
  longestMs: number;
  /** For each swap, the time from the last answer of the former shape to the first of the other. */
  switchesMs: number[];
}

type CardRow = { status: string; open_status?: string; size?: string };

/**
 * Reads the SQL views in a tight loop, as an application would that knows nothing of generations, and looks at
 * each answer: rows with a size call a shipped order `on its way`, rows without say `shipped`. Tells what it saw
 * whenever it is sent a message.
 */
// It takes what the others leave, however few cores there are.
setPriority(10);
const db = new Database(process.argv[2]!, { readonly: true });
const questions = [
  'select * from order_card where id between ? and ? + 19',
  'select * from open_order where id >= ? and id >= ? limit 20',
  // Two views in one answer: both must have been swapped, or neither.
  'select c.*, o.status as open_status from order_card c join open_order o on o.id = c.id where c.id between ? and ? + 19',
];
const nothing = (): Seen => ({ queries: 0, errors: 0, empty: 0, mixed: 0, longestMs: 0, switchesMs: [] });
let seen = nothing();
let shape: { sized: boolean; at: number } | null = null;

function ask(question: number): void {
  const from = 1 + Math.floor(Math.random() * (size.orders - 20));
  const began = performance.now();
  try {
    // Prepared anew each time: an application that does this sees a new column at once.
    const rows = db.prepare(questions[question]!).all(from, from) as CardRow[];
    const now = performance.now();
    seen.longestMs = Math.max(seen.longestMs, now - began);
    if (rows.length === 0 && question !== 2) seen.empty++;
    if (question === 1) {
      if (isMixed(rows.map((r) => [r.status]))) seen.mixed++;
      return;
    }
    // The word that the row's shape allows for what was shipped stands beside the words that are there.
    const words = rows.map((r) => [r.size === undefined ? 'shipped' : 'on its way', r.status, r.open_status]);
    if (isMixed(words)) seen.mixed++;
    if (rows.length === 0) return;
    const sized = rows[0]!.size !== undefined;
    if (shape && shape.sized !== sized) seen.switchesMs.push(now - shape.at);
    shape = { sized, at: now };
  } catch {
    seen.errors++;
  } finally {
    seen.queries++;
  }
}

function isMixed(words: readonly (string | undefined)[][]): boolean {
  const all = words.flat();
  return all.includes('shipped') && all.includes('on its way');
}

let open = true;
process.on('message', () => {
  process.send?.(seen);
  seen = nothing();
});
process.on('disconnect', () => {
  open = false;
});
process.on('SIGINT', () => {});
while (open) {
  for (let i = 0; i < 60; i++) ask(i % questions.length);
  // Lets messages in.
  await new Promise((resolve) => setImmediate(resolve));
}
db.close();
