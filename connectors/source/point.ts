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
  const at = headers.lsn?.toString() ?? '';
  const when = headers.ts?.toString() ?? '';
  if (!isLsn(at) || !/^\d+$/.test(when)) return true;
  return parseLsn(at) < parseLsn(lsn) && BigInt(when) < BigInt(micros);
}

/** The later of two. */
export const laterPoint = (a: SourcePoint, b: SourcePoint): SourcePoint =>
  BigInt(a.micros) < BigInt(b.micros) ? b : a;
