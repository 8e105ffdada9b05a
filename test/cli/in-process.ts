import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

let runs = 0;

/**
 * Runs the command line in this process and folder, which takes milliseconds where a process of its own takes most
 * of a second. Only for commands that end by themselves; one at a time.
 */
export async function runInProcess(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  const before = { argv: process.argv, exitCode: process.exitCode };
  const out = kept(process.stdout);
  const err = kept(process.stderr);
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  process.argv = ['node', 'insideout', ...args];
  process.exitCode = undefined;
  try {
    // The query makes it a module that was not loaded yet, so that the program is built and run again.
    await import(/* @vite-ignore */ `${main}?run=${runs++}`);
    return { code: Number(process.exitCode ?? 0), out: out.text(), err: err.text() };
  } finally {
    process.argv = before.argv;
    process.exitCode = before.exitCode;
    out.restore();
    err.restore();
    vi.unstubAllEnvs();
  }
}

/** Keeps what is written instead of printing it. */
function kept(stream: NodeJS.WriteStream) {
  let text = '';
  const spy = vi.spyOn(stream, 'write').mockImplementation((bytes) => {
    text += bytes;
    return true;
  });
  return { text: () => text, restore: () => spy.mockRestore() };
}
