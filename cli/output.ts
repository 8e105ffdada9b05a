import { type InsideoutError, toInsideoutError } from '../core/errors.ts';

/** Exit codes; docs/operations.md documents them. */
export const exit = { ok: 0, failed: 1, usage: 2, operator: 3 } as const;

/** Prints an answer: JSON on one line when asked for, the human text otherwise. */
export function report(json: boolean | undefined, answer: unknown, human: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(answer, plain) : human()}\n`);
}

/** What JSON has no form for: bigints become texts, bytes base64, NaN and infinities texts. */
export function plain(this: unknown, _name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return value;
}

/** An aligned table. Columns of numbers are aligned to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const texts = [head, ...rows.map((row) => row.map(String))] as string[][];
  // Not Math.max: there may be more rows than a call takes arguments.
  const widths = head.map((_, i) => texts.reduce((width, row) => Math.max(width, row[i]?.length ?? 0), 0));
  const numeric = head.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'));
  return texts
    .map((row) =>
      row
        .map((text, i) => (numeric[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A moment for a table, in UTC; `-` for never. */
export const moment = (at: number | string | null): string =>
  at === null ? '-' : new Date(at).toISOString().replace('T', ' ').slice(0, 19);

/** Tells on stderr that a command was interrupted, and what became of its work. */
export function reportInterrupted(what: string): void {
  process.stderr.write(`interrupted: ${what}\n`);
  process.exitCode = exit.failed;
}

/** Prints an error as one sentence and its mend, and returns the exit code that goes with it. */
export function reportError(cause: unknown, json: boolean): number {
  const error = toInsideoutError(cause);
  const { code, message, hint } = error;
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message, hint } })}\n`);
  else process.stderr.write(`error: ${message}\nmend: ${hint}\n`);
  if (process.env.LOG_LEVEL === 'debug')
    process.stderr.write(`${error.stack}\n${error.cause instanceof Error ? error.cause.stack : ''}\n`);
  return exitCode(error);
}

function exitCode(error: InsideoutError): number {
  if (error.code === 'CONFIG_INVALID' || error.code === 'USAGE' || error.code === 'VIEW_UNKNOWN')
    return exit.usage;
  return error.retry === 'operator' ? exit.operator : exit.failed;
}
