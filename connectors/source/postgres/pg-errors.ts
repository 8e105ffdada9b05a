import { InsideoutError, isInsideoutError } from '../../../core/errors.ts';

/** What the failing operation was about, for the sentence and its mend. Never holds a secret. */
export interface Attempt {
  /** As a sentence's subject: `reading public.orders`, `connecting`. */
  readonly doing: string;
  readonly host: string;
  readonly user: string;
  readonly slot?: string;
  /** True until the connection stands, when nothing can be about the slot yet. */
  readonly connecting?: boolean;
}

const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EPIPE',
  'EHOSTUNREACH',
  'EAI_AGAIN',
  'ENETUNREACH',
]);

/**
 * An error of Postgres or of its connection as one of ours, by SQLSTATE or system code.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function classifyPostgres(error: unknown, attempt: Attempt): InsideoutError {
  if (isInsideoutError(error)) return error;
  const code = sqlState(error);
  const where = `Postgres at ${attempt.host}`;
  const make = (kind: ConstructorParameters<typeof InsideoutError>[0], message: string, hint: string) =>
    new InsideoutError(kind, message, { hint, cause: error });

  if (code === '28P01' || code === '28000')
    return make(
      'SOURCE_AUTH',
      `${where} refused the user "${attempt.user}" or its password.`,
      `Correct the user and password in the source's url, or allow the user in pg_hba.conf.`,
    );
  if (code === '3D000')
    return make(
      'SOURCE_AUTH',
      `${where} has no such database.`,
      `Correct the database name in the source's url.`,
    );
  if (code === '55000' && attempt.connecting)
    return make(
      'SOURCE_AUTH',
      `${where} takes no connections to the database.`,
      `Run in another database: ALTER DATABASE ... ALLOW_CONNECTIONS true; or correct the database name in the source's url.`,
    );
  if (code === '42501')
    return make(
      'SOURCE_PERMISSION',
      `The role "${attempt.user}" lacks a permission while ${attempt.doing}.`,
      'Run `insideout doctor`, which prints the statements that grant what a source needs.',
    );
  if (code === '53400' || code === '53300') return slotsExhausted(attempt, error);
  if (code === '55006')
    return make(
      'SOURCE_SLOT_IN_USE',
      `The slot "${attempt.slot ?? ''}" is read by another process.`,
      'Stop the other process, or give this source a slot of its own.',
    );
  if (code === '55000')
    return make(
      'SOURCE_SLOT_LOST',
      `${where} cannot use the slot "${attempt.slot ?? ''}" while ${attempt.doing} (SQLSTATE 55000).`,
      'Run `insideout doctor`; if the slot is invalidated, run `insideout slot drop` and then `insideout source run --resnapshot`.',
    );
  if (code === '42704')
    return make(
      'SOURCE_PUBLICATION_MISSING',
      `${where} misses a publication or slot while ${attempt.doing}.`,
      'Run `insideout doctor`, which prints the statement that creates it.',
    );
  if (
    code === undefined ||
    networkCodes.has(code) ||
    /^(08|57P)/.test(code) ||
    code === '53200' ||
    code === '40001'
  )
    return make(
      'SOURCE_UNREACHABLE',
      `${where} does not answer while ${attempt.doing}${code ? ` (${code})` : ''}.`,
      `Start Postgres, or correct host and port in the source's url.`,
    );
  return make(
    'SOURCE_PROTOCOL',
    `${where} failed while ${attempt.doing} (SQLSTATE ${code}).`,
    `Look up the SQLSTATE in Postgres' log; then start again.`,
  );
}

/** SQLSTATE or system code of an error, of the first one where there are several. */
export function sqlState(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string') return code;
  const inner = (error as { errors?: unknown }).errors;
  return Array.isArray(inner) && inner.length > 0 ? sqlState(inner[0]) : undefined;
}

export const slotsExhausted = ({ host, doing }: Attempt, cause?: unknown): InsideoutError =>
  new InsideoutError(
    'SOURCE_SLOTS_EXHAUSTED',
    `Postgres at ${host} has no free replication slot or connection while ${doing}.`,
    {
      hint: 'Raise max_replication_slots, max_wal_senders and max_connections, or drop a slot that nobody needs.',
      cause,
    },
  );
