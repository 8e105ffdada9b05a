import { randomUUID } from 'node:crypto';
import type Database from 'better-sqlite3';
import { type PartitionKey, partitionKey } from '../../core/position.ts';

/** A member that was not heard of for this long is dead, and its partitions go to the others. */
const leaseMs = 3_000;
export const heartbeatMs = 500;

/**
 * Shares partitions between the processes of a group by leases in the Log's file. Every member computes the
 * same assignment from the same list of living members, gives up what is not its own, and takes what is its own
 * once it is free. The leases only decide who works; what has been applied is the store's word alone.
 */
export class GroupMember {
  readonly #db: Database.Database;
  readonly #group: string;
  readonly #partitions: readonly { topic: string; partition: number }[];
  readonly #owner = randomUUID();
  #held = new Set<PartitionKey>();
  #validUntil = 0;

  constructor(
    db: Database.Database,
    group: string,
    partitions: readonly { topic: string; partition: number }[],
  ) {
    this.#db = db;
    this.#group = group;
    this.#partitions = partitions;
  }

  /** False once the leases may have passed to others, because the process was stopped for too long. */
  holds(key: PartitionKey, now: number): boolean {
    return now < this.#validUntil && this.#held.has(key);
  }

  /** True when the leases ran out since the last heartbeat. */
  expired(now: number): boolean {
    return this.#validUntil > 0 && now >= this.#validUntil;
  }

  /** Makes the leases last longer, and changes nothing else. Leases that have run out stay so. */
  renew(now: number): void {
    if (now >= this.#validUntil) return;
    const expires = now + leaseMs;
    const renewed = this.#db
      .transaction(() => {
        const update = (table: 'members' | 'leases') =>
          this.#db
            .prepare(`update ${table} set expires = ? where grp = ? and owner = ? and expires > ?`)
            .run(expires, this.#group, this.#owner, now).changes;
        update('leases');
        return update('members');
      })
      .immediate();
    if (renewed > 0) this.#validUntil = expires;
  }

  /** Renews, gives up and takes partitions; returns those now held. */
  heartbeat(now: number): ReadonlySet<PartitionKey> {
    const held = this.#db.transaction(() => this.#exchange(now)).immediate();
    this.#held = held;
    this.#validUntil = now + leaseMs;
    return held;
  }

  /** Gives everything up at once, so that the others need not wait. */
  leave(): void {
    this.#db
      .transaction(() => {
        this.#db.prepare('delete from members where grp = ? and owner = ?').run(this.#group, this.#owner);
        this.#db.prepare('delete from leases where grp = ? and owner = ?').run(this.#group, this.#owner);
      })
      .immediate();
    this.#held = new Set();
  }

  #exchange(now: number): Set<PartitionKey> {
    const group = this.#group;
    this.#db
      .prepare('insert into members values (?, ?, ?) on conflict do update set expires = excluded.expires')
      .run(group, this.#owner, now + leaseMs);
    this.#db.prepare('delete from members where grp = ? and expires <= ?').run(group, now);
    this.#db.prepare('delete from leases where grp = ? and expires <= ?').run(group, now);
    const members = this.#db
      .prepare<[string], string>('select owner from members where grp = ? order by owner')
      .pluck()
      .all(group);
    const take = this.#db.prepare(
      `insert into leases values (?, ?, ?, ?, ?) on conflict do update set expires = excluded.expires where owner = excluded.owner`,
    );
    const give = this.#db.prepare(
      'delete from leases where grp = ? and topic = ? and partition = ? and owner = ?',
    );
    const held = new Set<PartitionKey>();
    this.#partitions.forEach(({ topic, partition }, i) => {
      if (members[i % members.length] !== this.#owner) give.run(group, topic, partition, this.#owner);
      else if (take.run(group, topic, partition, this.#owner, now + leaseMs).changes > 0)
        held.add(partitionKey(topic, partition));
    });
    return held;
  }
}
