import { type ErrorCode, InsideoutError } from '../../../core/errors.ts';

/** An error of Redis or of its connection, by the word that Redis begins its errors with. */
export function classifyRedis(error: unknown, where: string): InsideoutError {
  if (error instanceof InsideoutError) return error;
  const text = error instanceof Error ? error.message : String(error);
  // A script's error carries the command's own behind some words.
  const word =
    /\b(NOAUTH|WRONGPASS|NOPERM|OOM|READONLY|MISCONF|LOADING|BUSY|CLUSTERDOWN|TRYAGAIN|MASTERDOWN)\b/.exec(
      text,
    )?.[1] ?? '';
  const make = (code: ErrorCode, message: string, hint: string) =>
    new InsideoutError(code, message, { hint, cause: error });
  if (word === 'NOAUTH' || word === 'WRONGPASS')
    return make(
      'STORE_AUTH',
      `Redis at ${where} refuses the password (${word}).`,
      "Correct user and password in the store's url.",
    );
  if (word === 'NOPERM')
    return make(
      'STORE_AUTH',
      `Redis at ${where} does not allow a command (NOPERM).`,
      'Give the user the commands and keys that docs/operations.md lists.',
    );
  if (word === 'OOM' || word === 'READONLY' || word === 'MISCONF')
    return make(
      'STORE_REFUSED',
      `Redis at ${where} refuses writes (${word}).`,
      word === 'OOM'
        ? 'Raise maxmemory, and keep maxmemory-policy at noeviction.'
        : 'Make this Redis the primary, and able to write its own files.',
    );
  if (/string exceeds maximum allowed size|Protocol error/.test(text))
    return make(
      'RECORD_UNSTORABLE',
      `Redis at ${where} refuses a row as too large.`,
      'Leave the large column out of the view.',
    );
  return make(
    'STORE_UNREACHABLE',
    `Redis at ${where} does not answer${word ? ` (${word})` : ''}.`,
    "Start Redis, or correct the store's url.",
  );
}
