import { InsideoutError } from '../../../core/errors.ts';

/** Codes with which Redis says that it will answer later. */
const passing = ['LOADING', 'BUSY', 'TRYAGAIN', 'MASTERDOWN', 'CLUSTERDOWN', 'UNKILLABLE'];
const credentials = ['NOAUTH', 'WRONGPASS'];

/**
 * The code of an error reply is its first word, behind the place in the script where Redis 6 puts one:
 * https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
 */
export function replyCode(error: unknown): string | null {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return null;
  return /^(?:@user_script: ?\d+: -)?([A-Z]+)/.exec(error.message)?.[1] ?? 'ERR';
}

/** An error of the client as ours. Whatever is not a reply of the server is a matter of the connection. */
export function classifyRedis(error: unknown, server: string): InsideoutError {
  if (error instanceof InsideoutError) return error;
  const code = replyCode(error);
  if (code === null || passing.includes(code))
    return new InsideoutError(
      'STORE_UNREACHABLE',
      `Redis at ${server} does not answer (${code ?? reason(error)}).`,
      {
        hint: 'It is tried again; check that the server runs and that the address is right.',
        cause: error,
      },
    );
  if (credentials.includes(code))
    return new InsideoutError(
      'STORE_AUTH',
      `Redis at ${server} refused the user or the password (${code}).`,
      {
        hint: "Correct the user and the password in the store's url.",
        cause: error,
      },
    );
  return new InsideoutError('STORE_REFUSED', `Redis at ${server} refused a command (${code}).`, {
    hint: hints[code] ?? "Look at the server's log; the account needs all commands on the keys of the views.",
    cause: error,
  });
}

export const noDatabase = (server: string, database: number, cause: unknown): InsideoutError =>
  new InsideoutError('STORE_REFUSED', `Redis at ${server} has no database ${database}.`, {
    hint: "Correct the number at the end of the store's url; `databases` in the server's configuration says how many there are.",
    cause,
  });

const hints: Readonly<Record<string, string>> = {
  OOM: 'Raise maxmemory or make room; the views go on where they stopped.',
  READONLY: 'Point the url at the primary; this server is a replica.',
  MISCONF: 'Redis cannot save to its disk: make room there, or look at the log of the server.',
  NOPERM: 'Give the account all commands on the keys of the views.',
  MOVED: 'Point the url at a server that is not part of a Redis Cluster.',
};

const reason = (error: unknown): string =>
  String((error as { code?: unknown } | null)?.code ?? 'no connection');
