import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { screen } from './screen.ts';

export interface Performance extends ReturnType<typeof screen> {
  /** Is removed at the end. */
  readonly folder: string;
  /** Aborts when the user interrupts, and when a daemon fails. */
  readonly signal: AbortSignal;
  /** To be undone at the end, the latest first, whatever happens. */
  atEnd(work: () => unknown): void;
  /** A child that must not fail while the demo runs. */
  watch(daemon: ChildProcess): void;
  /** Polls. Rejects after 40 s, and when the signal aborts. */
  until(what: string, reached: () => boolean | Promise<boolean>): Promise<void>;
}

/** Runs a demo, cleans up behind it, prints what to do next or why it failed, and sets the exit code. */
export async function perform(
  demo: (on: Performance) => Promise<void>,
  next: readonly string[],
): Promise<void> {
  const show = screen(process.stdout);
  const folder = mkdtempSync(join(tmpdir(), 'insideout-demo-'));
  const cleanUp: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const interrupted = new AbortController();
  // npm and the loader pass on what the terminal has sent already: a second one must not cut off the cleaning.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => interrupted.abort(new Error('interrupted')));
  let failure: { error: unknown } | null = null;
  try {
    await demo({
      ...show,
      folder,
      signal: interrupted.signal,
      atEnd: (work) => cleanUp.unshift(work),
      watch: (daemon) => {
        daemon.once('exit', (code) => {
          if (code) interrupted.abort(new Error(`a daemon ended with ${code}`));
        });
      },
      until: async (what, reached) => {
        const deadline = Date.now() + 40_000;
        while (!(await reached())) {
          interrupted.signal.throwIfAborted();
          if (Date.now() > deadline) throw new Error(`${what}: not reached within 40 s`);
          await wait(50);
        }
      },
    });
  } catch (error) {
    failure = { error };
  }
  show.step('Stopping everything and removing its files');
  for (const work of cleanUp)
    try {
      await work();
    } catch {}
  if (failure) {
    const { error } = failure;
    show.line(`The demo did not finish: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
    return;
  }
  show.line('Next:');
  for (const text of next) show.line(`  ${text}`);
}

export const count = (n: number): string => n.toLocaleString('en-US');
