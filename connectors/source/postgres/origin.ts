import { formatLsn, type Lsn } from '../../../core/lsn.ts';
import type { Headers } from '../../../log/log.ts';
import type { Origin } from './record-batch.ts';

/** SQL for the server's clock, as a text of microseconds since 1970; commit times are of it, too. */
export const clockMicros = '(extract(epoch from clock_timestamp()) * 1000000)::bigint::text';

/** Where the records of one transaction come from. `micros` is its commit time, microseconds since 1970. */
export function originOf(transaction: { lsn: Lsn; xid: number | null; micros: bigint }): Origin {
  const lsn = Buffer.from(formatLsn(transaction.lsn));
  const ts = Buffer.from(transaction.micros.toString());
  const xid = transaction.xid === null ? null : Buffer.from(transaction.xid.toString());
  const made = new Map<string, Headers>();
  return {
    ...transaction,
    timestamp: Number(transaction.micros / 1000n),
    headers: (op) => {
      let headers = made.get(op);
      if (!headers) {
        headers = { op: Buffer.from(op), lsn, ...(xid ? { xid } : {}), ts };
        made.set(op, headers);
      }
      return headers;
    },
  };
}
