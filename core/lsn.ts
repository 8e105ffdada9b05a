/**
 * A position in Postgres' write-ahead log: a byte offset, unsigned 64 bits. Text only at the edges.
 * https://www.postgresql.org/docs/current/datatype-pg-lsn.html
 */
export type Lsn = bigint;

const written = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;

/** True of what `parseLsn` parses. */
export const isLsn = (text: string): boolean => written.test(text);

/** Parses `16/B374D848`. Throws `RangeError` on anything else. */
export function parseLsn(text: string): Lsn {
  const match = written.exec(text);
  if (!match) throw new RangeError(`"${text}" is not an LSN; write it like 16/B374D848`);
  return (BigInt(Number.parseInt(match[1]!, 16)) << 32n) | BigInt(Number.parseInt(match[2]!, 16));
}

/** Prints an LSN as Postgres does: two hexadecimal halves, no leading zeros. */
export function formatLsn(lsn: Lsn): string {
  return `${Number(lsn >> 32n).toString(16)}/${Number(lsn & 0xffffffffn).toString(16)}`.toUpperCase();
}
