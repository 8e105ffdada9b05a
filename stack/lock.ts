import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { isAlive } from './processes.ts';

/**
 * Waits until this process alone holds the file, and returns what lets go of it. Two test runs that start the
 * same servers at once would otherwise each start their own. The lock of a process that died is taken over.
 */
export async function lock(file: string): Promise<() => void> {
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (!isAlive(holder(file))) rmSync(file, { force: true });
    await wait(100);
  }
}

/** Zero, which is never alive to us, when the file is gone or was not yet written. */
function holder(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8')) || process.pid;
  } catch {
    return process.pid;
  }
}
