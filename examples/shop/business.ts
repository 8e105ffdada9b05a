import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { doBusiness, type ShopSize } from './schema.ts';

export interface Business {
  /** Rows that were changed so far. */
  changes(): number;
  /** Closes the shop. Rejects with what went wrong in it. */
  close(): Promise<void>;
}

/** Opens the shop: one transaction after another, with a pause between them, until it is closed. */
export function openShop(
  url: string,
  options: { size: ShopSize; pauseMs: number; signal: AbortSignal },
): Business {
  let changes = 0;
  let open = true;
  const work = (async () => {
    const seller = new pg.Client({ connectionString: url });
    await seller.connect();
    try {
      while (open && !options.signal.aborted) {
        changes += await doBusiness(seller, options.size, Math.random);
        await wait(options.pauseMs);
      }
    } finally {
      await seller.end();
    }
  })();
  // Told by close.
  work.catch(() => {});
  return {
    changes: () => changes,
    close: () => {
      open = false;
      return work;
    },
  };
}
