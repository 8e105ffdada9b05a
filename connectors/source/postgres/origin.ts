import { formatLsn, type Lsn } from '../../../core/lsn.ts';
import type { Headers } from '../../../log/log.ts';
import type { Origin } from './record-batch.ts';

/** SQL for the server's clock, as a text of microseconds since 1970; commit times are of it, too. */
export const clockMicros = '(extract(epoch from clock_timestamp()) * 1000000)::bigint::text';

/** Where the records of one transaction come from. `micros` is its commit time, microseconds since 1970. */
export function originOf(transaction: { lsn: Lsn; xid: number | null; micros: bigint }): Origin {
  const lsn = formatLsn(transaction.lsn);
  const ts = transaction.micros.toString();
  const xid = transaction.xid?.toString();
  const made = new Map<string, Headers>();
  // Written out, as V8 makes an object of a spread and more names slowly, and this is done for each transaction.
  return {
    lsn: transaction.lsn,
    xid: transaction.xid,
    micros: transaction.micros,
    timestamp: Number(transaction.micros / 1000n),
    headers: (op) => {
      let headers = made.get(op);
      if (!headers) {
        headers = xid === undefined ? { op, lsn, ts } : { op, lsn, xid, ts };
        made.set(op, headers);
      }
      return headers;
    },
  };
}
