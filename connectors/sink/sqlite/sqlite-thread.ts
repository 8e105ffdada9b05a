import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

/**
 * Starts a thread with JavaScript of its own, in which `Database` is better-sqlite3, and `workerData` and `parentPort`
 * are Node's. It is the very module that this thread uses: a second copy of SQLite in one process knows nothing of the
 * first one's locks, and both together lose rows (https://www.sqlite.org/howtocorrupt.html).
 */
export function startThread(work: string, data: Readonly<Record<string, unknown>>): Worker {
  const module = createRequire(import.meta.url).resolve('better-sqlite3');
  return new Worker(begin + work, { eval: true, workerData: { ...data, module }, execArgv: [] });
}

const begin = `
const { parentPort, workerData } = require('node:worker_threads');
const Database = require(workerData.module);
`;
