import { setTimeout as wait } from 'node:timers/promises';
import { connect } from './orders.ts';

/** Resolves when somebody reads the slot. */
export async function untilActive(url: string, slot: string): Promise<void> {
  const client = await connect(url);
  const deadline = Date.now() + 60_000;
  try {
    for (;;) {
      const { rows } = await client.query(
        'select 1 from pg_replication_slots where slot_name = $1 and active',
        [slot],
      );
      if (rows.length > 0) return;
      if (Date.now() > deadline) throw new Error(`nobody reads the slot ${slot}`);
      await wait(50);
    }
  } finally {
    await client.end();
  }
}

/** Removes every slot and publication: what one side leaves behind would hold WAL while the next is measured. */
export async function dropReplication(url: string): Promise<void> {
  const client = await connect(url);
  const deadline = Date.now() + 30_000;
  for (;;) {
    const { rows } = await client.query<{ slot_name: string; active: boolean }>(
      'select slot_name, active from pg_replication_slots',
    );
    for (const { slot_name, active } of rows)
      if (!active) await client.query('select pg_drop_replication_slot($1)', [slot_name]);
    if (!rows.some((r) => r.active)) break;
    if (Date.now() > deadline) throw new Error('a slot is still being read');
    await wait(50);
  }
  const { rows } = await client.query<{ pubname: string }>('select pubname from pg_publication');
  for (const { pubname } of rows) await client.query(`drop publication "${pubname}"`);
  await client.end();
}
