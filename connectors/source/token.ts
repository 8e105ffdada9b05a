import { InsideoutError } from '../../core/errors.ts';
import { formatLsn, type Lsn, parseLsn } from '../../core/lsn.ts';

/**
 * A consistency token, `<source>:<lsn>` like `shop:0/16B3748`: what a writer hands to a reader so that the reader
 * sees the write. It is plain text, fit for a header or a cookie, and holds nothing secret.
 */
export type Token = string;

export function formatToken(source: string, lsn: Lsn): Token {
  return `${source}:${formatLsn(lsn)}`;
}

/** Errors: `USAGE`. */
export function parseToken(token: Token): { source: string; lsn: Lsn } {
  const match = /^([a-z_][a-z0-9_]*):([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})$/.exec(token);
  if (match) return { source: match[1]!, lsn: parseLsn(match[2]!) };
  throw new InsideoutError('USAGE', 'What was given as a consistency token is none.', {
    hint: 'Give what consistencyToken() returned, like shop:0/16B3748.',
  });
}
