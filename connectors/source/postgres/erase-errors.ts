import { InsideoutError, isInsideoutError, toInsideoutError } from '../../../core/errors.ts';
import { type Attempt, classifyPostgres, sqlState } from './pg-errors.ts';

/**
 * A failure of erasing by its SQLSTATE. Postgres' own error is not kept as the cause: its detail holds values of
 * the row. https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function classifyErasing(error: unknown, attempt: Attempt): InsideoutError {
  if (isInsideoutError(error)) return error;
  const code = sqlState(error);
  const { schema, table, column, constraint } = (error ?? {}) as Partial<Record<string, string>>;
  const name = schema && table ? `${schema}.${table}` : 'a table';
  const config = (message: string, hint: string) => new InsideoutError('CONFIG_INVALID', message, { hint });
  switch (code) {
    case '23502':
      return config(
        `Anonymising would make ${name}.${column ?? '?'} null, which it may not be; nothing was done.`,
        `Give another value under \`anonymise\`, drop NOT NULL, or delete the rows of ${name}.`,
      );
    case '23505':
    case '23P01':
      return config(
        `Anonymising would give several rows of ${name} what the constraint "${constraint ?? '?'}" wants once; nothing was done.`,
        `Under \`anonymise\`, use {random} in the column's text or set it to null, or delete the rows of ${name}.`,
      );
    case '22001':
      return config(
        'A value under `anonymise` is longer than its column takes; nothing was done.',
        'Give a shorter one; {random} has 36 characters.',
      );
    case '23514':
      return config(
        `Anonymising would break the constraint "${constraint ?? '?'}" of ${name}; nothing was done.`,
        'Give a value under `anonymise` that it allows.',
      );
    case '23503':
    case '23001':
      return config(
        `Rows of ${name} still refer to rows of the subject (foreign key "${constraint ?? '?'}"); nothing was done.`,
        'Run `insideout subjects check`: it says what to do about this foreign key.',
      );
    case '42501':
      return new InsideoutError(
        'SOURCE_PERMISSION',
        `The role "${attempt.user}" may not do this: ${attempt.doing}; nothing was done.`,
        {
          hint: `Run: GRANT SELECT, UPDATE, DELETE on the subject's tables TO "${attempt.user}"; where they have row security, the role needs BYPASSRLS.`,
        },
      );
    case '25006':
      return new InsideoutError(
        'SOURCE_PERMISSION',
        `Postgres at ${attempt.host} is read-only, so nothing can be erased there.`,
        {
          hint: "Point the source's url to the primary, and set default_transaction_read_only to off for the role.",
        },
      );
    case '55P03':
    case '40P01':
    case '40001':
    case '57014':
      return new InsideoutError(
        'SOURCE_UNREACHABLE',
        `Other transactions held the rows too long (SQLSTATE ${code}) while ${attempt.doing}; nothing was done.`,
        { hint: 'Try again; if it stays, look in pg_stat_activity for transactions that stand idle.' },
      );
  }
  // 22: a value is not of its column's type. Those of ids are looked at before.
  if (code?.startsWith('22'))
    return config(
      `A value under \`anonymise\` is not of its column's type (SQLSTATE ${code}); nothing was done.`,
      'Give values that the columns can hold.',
    );
  if (code === undefined && error instanceof TypeError) return toInsideoutError(error);
  // A connection that broke at the commit leaves open whether it was done, so nothing is said of that.
  return classifyPostgres(code === undefined ? undefined : { code }, attempt);
}

/** The error of an overwritten foreign key of the table itself; null when it is another error. */
export function refersToNothing(error: unknown, anonymised: string): InsideoutError | null {
  const { schema, table, constraint } = (error ?? {}) as Partial<Record<string, string>>;
  if (sqlState(error) !== '23503' || `${schema}.${table}` !== anonymised) return null;
  return new InsideoutError(
    'CONFIG_INVALID',
    `Anonymising would make rows of ${anonymised} refer to a row that is not there (foreign key "${constraint ?? '?'}"); nothing was done.`,
    { hint: 'Give a value under `anonymise` that exists there, or null.' },
  );
}
