import { isLsn, parseLsn } from '../../core/lsn.ts';
import type { Headers } from '../../log/log.ts';

/** A moment in a source's own log of changes, and on its clock. */
export interface SourcePoint {
  /** As in the header `lsn` of records. */
  readonly lsn: string;
  /** As in the header `ts`: microseconds since 1970. */
  readonly micros: string;
}

/**
 * True of a record that tells what its source was like before this point. Both its position and its commit time must
 * be before it: positions begin anew in a database that was restored elsewhere, and clocks are set back. True as well
 * of one that does not tell when it was: no source of ours has written it.
 */
export function isBefore(headers: Headers, { lsn, micros }: SourcePoint): boolean {
  const at = pointIn(headers);
  return at === null || (parseLsn(at.lsn) < parseLsn(lsn) && BigInt(at.micros) < BigInt(micros));
}

/** When a record was written, as its headers tell it; null where they do not. */
export function pointIn(headers: Headers): SourcePoint | null {
  const lsn = headers.lsn?.toString() ?? '';
  const micros = headers.ts?.toString() ?? '';
  return isLsn(lsn) && /^\d+$/.test(micros) ? { lsn, micros } : null;
}

/** The later of two. */
export const laterPoint = (a: SourcePoint, b: SourcePoint): SourcePoint =>
  BigInt(a.micros) < BigInt(b.micros) ? b : a;
