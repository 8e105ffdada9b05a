import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { InsideoutError } from '../../../core/errors.ts';
import type {
  ErasedSubject,
  ErasingTransaction,
  ErasureRequest,
  FollowedSubject,
  FollowRequest,
  FoundSubject,
  SourceEraser,
  SubjectTables,
} from '../erasure.ts';
import type { SourcePoint } from '../point.ts';
import { attempt, connect } from './connection.ts';
import { readEraseCatalog } from './erase-catalog.ts';
import { checkSubject } from './erase-check.ts';
import { classifyErasing } from './erase-errors.ts';
import { findKept } from './erase-kept.ts';
import { type ErasePlan, planErasure } from './erase-plan.ts';
import { findRows, PlanOutdated, prepared, readId, tellFound } from './erase-rows.ts';
import { eraseRows } from './erase-write.ts';
import { readForeignKeys } from './foreign-keys.ts';
import type { PostgresSourceOptions } from './options.ts';
import { clockMicros } from './origin.ts';
import { sqlState } from './pg-errors.ts';
import { barrierPrefix } from './pgoutput.ts';

export type EraserOptions = Pick<PostgresSourceOptions, 'name' | 'url' | 'publication' | 'slot'>;

/** How often a deadlock, or a catalog that changes at the same time, is met before it counts as a failure. */
const maxTries = 4;

/** How long `beforeCommit` may wait for the Log: a million rows are some hundred events. */
const maxHeldMs = (rows: number) => 10_000 + rows / 20;
/** What it computes itself comes on top, and takes seconds for a million. */
const maxComputedMs = 60_000;

/**
 * Nobody is kept waiting by us for longer, nor we by others. Row security must not hide rows silently: switched
 * off, it is an error. https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-ROW-SECURITY
 * What was told to be committed must stay so when the server crashes, whatever the role's default is.
 */
const beginErasing = `begin isolation level read committed read write;
  set local lock_timeout = '10s'; set local idle_in_transaction_session_timeout = '60s'; set local row_security = off;
  select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off'`;
const beginFinding = 'begin isolation level repeatable read read only; set local row_security = off';
const beginFollowing = 'begin isolation level repeatable read read write; set local row_security = off';

/**
 * Its own id is later than all that were given out: one that is not before it is of a future that this database
 * does not have any more. https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT
 */
const outcomeQuery = `select case when $1::text::xid8 >= pg_current_xact_id() then 'aborted'
  else pg_xact_status($1::text::xid8) end as status`;

/** Erases subjects in the database of a source; connects when first needed, and again after a failure. */
export function postgresEraser(options: EraserOptions): SourceEraser {
  return new PostgresEraser(options);
}

class PostgresEraser implements SourceEraser {
  readonly #options: EraserOptions;
  #client: pg.Client | null = null;
  #plans = new WeakMap<SubjectTables, ErasePlan>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: EraserOptions) {
    this.#options = options;
  }

  check(subject: SubjectTables) {
    return this.#alone('checking a subject', async (client) =>
      checkSubject(subject, await readEraseCatalog(client, this.#options, tablesOf(subject))),
    );
  }

  erase(subject: SubjectTables, id: string, erasure: ErasureRequest): Promise<ErasedSubject> {
    return this.#alone('erasing a subject', async (client) => {
      const plan = await this.#plan(client, subject);
      const canonical = await readId(client, plan, id);
      await client.query(beginErasing);
      const found = await findRows(client, plan, { id: canonical, lock: true });
      for (const table of plan.deletion) await eraseRows(client, table, found.get(table.name));
      const by = await writeBarrier(client, erasure, plan);
      const told = { id: canonical, ...tellFound(plan, found, canonical) };
      if (erasure.beforeCommit) {
        const count = told.rows.reduce((sum, { keys }) => sum + keys.length, 0);
        const ms = Math.round(maxHeldMs(count));
        // What is checked at the commit only would otherwise fail when the rows are told already.
        await client.query(
          `set constraints all immediate; set local idle_in_transaction_session_timeout = ${ms + maxComputedMs}`,
        );
        await inTime(erasure.beforeCommit(told, by), { count, ms });
      }
      await client.query('commit');
      return { ...told, barrier: by.barrier };
    });
  }

  find(subject: SubjectTables, id: string): Promise<FoundSubject> {
    return this.#alone('looking for a subject', async (client) => {
      const plan = await this.#plan(client, subject);
      const canonical = await readId(client, plan, id);
      await client.query(beginFinding);
      const found = await findRows(client, plan, { id: canonical, lock: false });
      await client.query('commit');
      return { id: canonical, ...tellFound(plan, found, canonical) };
    });
  }

  follow(subject: SubjectTables, id: string, request: FollowRequest): Promise<FollowedSubject> {
    return this.#alone('following deletes', async (client) => {
      const plan = await this.#plan(client, subject);
      const canonical = await readId(client, plan, id);
      await client.query(beginFollowing);
      const found = tellFound(plan, await findRows(client, plan, { id: canonical, lock: false }), canonical);
      let gone: FollowedSubject['gone'] = null;
      if (!found.rows.some((of) => of.policy === 'delete')) {
        const kept = tellFound(plan, await findKept(client, plan, request), canonical);
        const { barrier, point } = await writeBarrier(client, request, null);
        gone = { kept, barrier, point };
      }
      await client.query('commit');
      return { id: canonical, ...found, gone };
    });
  }

  outcome(transaction: string): Promise<'committed' | 'undone' | 'open'> {
    return this.#alone('asking how a transaction ended', async (client) => {
      const { rows } = await client.query<{ status: string | null }>(prepared(outcomeQuery, [transaction]));
      const status = rows[0]!.status;
      if (status === 'in progress') return 'open';
      return status === 'aborted' ? 'undone' : 'committed';
    });
  }

  mark(erasure: { readonly id: string }): Promise<string> {
    return this.#alone('writing a barrier', async (client) => {
      return (await writeBarrier(client, erasure, null)).barrier;
    });
  }

  foreignKeys() {
    return this.#alone('reading the foreign keys', readForeignKeys);
  }

  async close(): Promise<void> {
    await this.#last.catch(() => {});
    await this.#disconnect();
  }

  async #plan(client: pg.Client, subject: SubjectTables): Promise<ErasePlan> {
    let plan = this.#plans.get(subject);
    if (!plan) {
      const catalog = await readEraseCatalog(client, this.#options, tablesOf(subject));
      plan = planErasure(subject, catalog, this.#options.name);
      this.#plans.set(subject, plan);
    }
    return plan;
  }

  /**
   * Runs one call after the other, for they share the connection. After a failure the connection is given up,
   * which undoes whatever it had open, and the plans with it.
   */
  #alone<T>(doing: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const result = this.#last.then(
      () => this.#try(doing, work),
      () => this.#try(doing, work),
    );
    this.#last = result.catch(() => {});
    return result;
  }

  async #try<T>(doing: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        this.#client ??= await this.#connect(doing);
        return await work(this.#client);
      } catch (error) {
        await this.#disconnect();
        if (tries < maxTries && mayPass(error)) continue;
        const failure = error instanceof PlanOutdated ? { code: '40001' } : error;
        throw classifyErasing(failure, attempt(this.#options, doing));
      }
    }
  }

  async #connect(doing: string): Promise<pg.Client> {
    const client = await connect(this.#options, doing);
    client.once('end', () => {
      if (this.#client === client) this.#client = null;
    });
    return client;
  }

  async #disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    this.#plans = new WeakMap();
    await client?.end().catch(() => {});
  }
}

const tablesOf = (subject: SubjectTables): string[] => subject.tables.map((t) => t.table);

/** 40P01 deadlock, 40001 serialization failure, 0A000 a prepared statement whose table changed. */
const mayPass = (error: unknown): boolean =>
  error instanceof PlanOutdated || ['40P01', '40001', '0A000'].includes(sqlState(error) ?? '');

/** Rows are locked for as long as this takes. */
async function inTime(work: Promise<void>, { count, ms }: { count: number; ms: number }): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new InsideoutError(
            'LOG_UNREACHABLE',
            `What is erased, ${count} rows, could not be written down within ${Math.round(ms / 1_000)} s, for which they were locked; nothing was done.`,
            { hint: 'Try again when the Log answers, or answers faster.' },
          ),
        ),
      ms,
    );
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Writes the barrier, and makes sure that no foreign key has come since the plan was made: they are locked out. */
async function writeBarrier(
  client: pg.Client,
  erasure: { readonly id: string },
  plan: ErasePlan | null,
): Promise<ErasingTransaction> {
  const barrier = randomUUID();
  const content = JSON.stringify({ id: barrier, erasure: erasure.id });
  const { rows } = await client.query<{ stamp: string; transaction: string } & SourcePoint>(
    prepared(
      `select pg_logical_emit_message(true, '${barrierPrefix}', $1::text), pg_current_xact_id()::text as transaction,
         pg_current_wal_insert_lsn()::text as lsn, ${clockMicros} as micros,
         ${plan?.stamp.sql ?? `''`} as stamp`,
      [content],
    ),
  );
  const [written] = rows;
  if (plan && written!.stamp !== plan.stamp.value) throw new PlanOutdated();
  // Who changed these rows before has committed before they were locked; this transaction commits behind its barrier.
  const { transaction, lsn, micros } = written!;
  return { transaction, barrier, point: { lsn, micros } };
}
