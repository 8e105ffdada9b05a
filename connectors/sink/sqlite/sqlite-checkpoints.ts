import type { Worker } from 'node:worker_threads';
import { startThread } from './sqlite-thread.ts';

/**
 * In bulk, a fifth of a writer's time went into copying the write-ahead log back into the file. Here a thread does
 * that beside it, between the writer's own commits, which it does not hold up: PASSIVE,
 * https://www.sqlite.org/c3ref/wal_checkpoint_v2.html. Should it fall behind or fail, the writer copies by itself
 * as without it (`wal_autocheckpoint`), and meets what is wrong with the file there. It ends when nothing comes for a
 * while.
 */
const work = `
const db = new Database(workerData.path, { timeout: 0, fileMustExist: true });
const end = () => {
  clearTimeout(idle);
  parentPort.close();
  db.close();
};
const idle = setTimeout(end, workerData.idleMs);
parentPort.on('message', (go) => {
  if (!go) return end();
  db.pragma('wal_checkpoint(PASSIVE)');
  idle.refresh();
  parentPort.postMessage('done');
});
`;

/** So many rows within so long are a bulk. */
const bulk = { rows: 20_000, ms: 1_000 };
const idleMs = 3_000;

/** The thread that brings one file's write-ahead log back into it while rows come in bulk. */
export class Checkpoints {
  readonly #path: string;
  #worker: Worker | null = null;
  #busy = false;
  #rows = 0;
  #since = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** To be told of rows that were committed. Returns at once. */
  wrote(rows: number): void {
    const now = performance.now();
    if (now - this.#since > bulk.ms) {
      this.#rows = 0;
      this.#since = now;
    }
    this.#rows += rows;
    if (this.#rows < bulk.rows || this.#busy) return;
    this.#rows = 0;
    this.#since = now;
    this.#busy = true;
    this.#worker ??= this.#start();
    this.#worker.postMessage(true);
  }

  /** Resolves when the thread has let go of the file. Nothing may be told afterwards. */
  async close(): Promise<void> {
    const worker = this.#worker;
    if (!worker) return;
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    // Else the process might end before it does.
    worker.ref();
    worker.postMessage(false);
    await ended;
  }

  #start(): Worker {
    const worker = startThread(work, { path: this.#path, idleMs });
    worker.unref();
    worker.on('message', () => {
      this.#busy = false;
    });
    // The writer finds out for itself.
    worker.on('error', () => {});
    worker.on('exit', () => {
      this.#worker = null;
      this.#busy = false;
    });
    return worker;
  }
}
