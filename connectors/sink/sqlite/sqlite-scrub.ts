import { classifySqlite } from './sqlite-database.ts';
import { startThread } from './sqlite-thread.ts';

/**
 * `secure_delete` overwrites what is deleted where it is, but not what an earlier split of a page left behind of
 * rows that it moved: only VACUUM, which writes the file anew from its rows, forgets that. It goes through the
 * write-ahead log, which is then brought into the file and cut to nothing.
 *
 * In a thread, since SQLite works and waits on the thread that calls it, and the views go on meanwhile. Between
 * its attempts at the log it lets go: an attempt that waits would hold the writers back as well.
 */
const work = `
const until = Date.now() + workerData.patienceMs;
let step = 'write';
try {
  const db = new Database(workerData.path, { timeout: workerData.patienceMs, fileMustExist: true });
  try {
    db.pragma('secure_delete = ON');
    db.exec('vacuum');
    step = 'read';
    db.pragma('busy_timeout = 20');
    for (;;) {
      if (db.pragma('wal_checkpoint(TRUNCATE)')[0].busy === 0) {
        step = 'done';
        break;
      }
      if (Date.now() > until) break;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  } finally {
    db.close();
  }
  parentPort.postMessage({ step });
} catch (error) {
  parentPort.postMessage({ step, code: String(error.code ?? error.name) });
}
`;

interface Outcome {
  readonly step: 'write' | 'read' | 'done';
  readonly code?: string;
}

/** What `ViewStore.scrub` says of a file; waits up to `patienceMs` for writers, and again for readers. */
export async function scrubFile(path: string, patienceMs: number): Promise<string | null> {
  const { step, code } = await inThread({ path, patienceMs });
  if (step === 'done') return null;
  const again = 'and verify again';
  if (code === undefined)
    return `The SQLite file ${path} may keep deleted rows until the reader that holds its write-ahead log back ends its transaction: end it, ${again}.`;
  if (/^SQLITE_(BUSY|LOCKED)/.test(code))
    return `The SQLite file ${path} may keep deleted rows until it is written anew, and a writer does not let go of it: end that writer's transaction, ${again}.`;
  if (/^SQLITE_(FULL|IOERR)/.test(code))
    return `The SQLite file ${path} may keep deleted rows until it is written anew, for which there is no room (${code}): make room for a second copy of it, ${again}.`;
  throw classifySqlite(Object.assign(new Error('VACUUM failed'), { code }), path);
}

function inThread(parts: { path: string; patienceMs: number }): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const worker = startThread(work, parts);
    worker.once('message', resolve);
    worker.once('error', (error) => reject(classifySqlite(error, parts.path)));
    worker.once('exit', () => reject(classifySqlite(new Error('the thread ended'), parts.path)));
  });
}
