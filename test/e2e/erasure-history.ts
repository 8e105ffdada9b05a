import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, onTestFinished } from 'vitest';
import { loadErasureKey } from '../../deletes/erasure-key.ts';
import { type ErasureEvent, type Journal, openJournal } from '../../deletes/journal.ts';
import type { Log } from '../../log/log.ts';
import type { RunningCli } from '../support/cli.ts';
import type { ErasureProject, Place, ViewName } from './erasure-project.ts';
import { type CustomerRows, Shop, type Write } from './erasure-shop.ts';

const moments = ['requested', 'found', 'deleted', 'passed', 'looked', 'completed'] as const;
type Moment = (typeof moments)[number];

/** Who is killed, and how many milliseconds after the journal says that an erasure got so far. */
interface Kill {
  readonly victim: 'eraser' | 'source' | 'view';
  readonly at: Moment;
  readonly after: number;
}

/** What happens in a history, one after the other. Subjects and rows are numbered among those that are left. */
export type Step =
  | { readonly do: 'write'; readonly writes: readonly Write[] }
  | {
      readonly do: 'erase';
      readonly subjects: readonly number[];
      /** The application deletes the rows itself. */
      readonly track: boolean;
      readonly kill: Kill | null;
      /** Whether somebody finishes what is open before the same subjects are erased again. */
      readonly finish: boolean;
      readonly meanwhile: readonly { readonly at: Moment; readonly write: Write }[];
    }
  /** Begins, and goes on beside the steps that follow. */
  | { readonly do: 'rebuild'; readonly view: ViewName }
  | { readonly do: 'rollback' | 'retire'; readonly view: ViewName };

const n = fc.nat(99);
const write: fc.Arbitrary<Write> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('order' as const), of: n }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('rename' as const), of: n }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('give' as const), of: n, to: n }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('join' as const) }) },
);
const view = fc.constantFrom<ViewName>('customer', 'copy', 'orders', 'payments', 'reviews');
const kill = fc.record<Kill>({
  victim: fc.constantFrom('eraser', 'eraser', 'source', 'view'),
  at: fc.constantFrom(...moments),
  after: fc.constantFrom(0, 0, 5, 50, 300),
});
/** Who writes to the rows of the very subject that is erased is what matters here. */
const meanwhile = fc.array(
  fc.record({ at: fc.constantFrom<Moment>('requested', 'found', 'deleted'), write }),
  {
    maxLength: 3,
  },
);
const erase = (killed: fc.Arbitrary<Kill | null>) =>
  fc.record({
    do: fc.constant('erase' as const),
    subjects: fc.array(n, { minLength: 1, maxLength: 2 }),
    track: fc.boolean(),
    kill: killed,
    finish: fc.boolean(),
    meanwhile,
  });
const other: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      writes: fc.array(write, { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rebuild' as const), view }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('rollback' as const, 'retire' as const), view }) },
  { weight: 1, arbitrary: erase(fc.constant(null)) },
);

/** Histories with this many kills, and as many other steps. */
export const histories = (kills: number): fc.Arbitrary<Step[]> =>
  fc
    .tuple(
      fc.array(erase(kill), { minLength: kills, maxLength: kills }),
      fc.array(other, { minLength: kills, maxLength: kills + 2 }),
    )
    .chain(([killed, others]) => {
      const all = [...killed, ...others];
      return fc.shuffledSubarray(all, { minLength: all.length });
    });

/** The processes of a project, and what is done to them. */
export class History {
  readonly #project: ErasureProject;
  readonly #log: Log;
  readonly #shop: Shop;
  readonly #journal: Journal;
  readonly #daemons: Record<'source' | 'view', RunningCli>;
  /** Looks for values of erased rows where they must not be any more. */
  readonly #expectGone: (values: readonly string[]) => Promise<void>;
  #rebuilding: RunningCli | null = null;

  private constructor(parts: {
    project: ErasureProject;
    log: Log;
    shop: Shop;
    journal: Journal;
    expectGone: (values: readonly string[]) => Promise<void>;
  }) {
    this.#project = parts.project;
    this.#log = parts.log;
    this.#shop = parts.shop;
    this.#journal = parts.journal;
    this.#expectGone = parts.expectGone;
    this.#daemons = { source: this.#run('source'), view: this.#run('view') };
  }

  static async open(
    project: ErasureProject,
    expectGone: (values: readonly string[]) => Promise<void>,
  ): Promise<History> {
    const log = await project.openLog();
    const journal = await openJournal(log, project.source);
    const history = new History({ project, log, shop: await Shop.open(project), journal, expectGone });
    onTestFinished(() => history.close());
    await project.caughtUp();
    return history;
  }

  async close(): Promise<void> {
    await this.#journal.close();
    await this.#log.close();
  }

  #run(which: 'source' | 'view'): RunningCli {
    return this.#project.start([which, 'run']);
  }

  async goThrough(steps: readonly Step[]): Promise<void> {
    for (const step of steps)
      await inTime(
        this.#take(step),
        () => `${JSON.stringify(step)} has not ended:\n${this.#project.printed().slice(-3_000)}`,
      );
    await inTime(this.#rebuilt(), () => `the rebuild has not ended:\n${this.#rebuilding?.output()}`);
    await this.#settled();
  }

  async #take(step: Step): Promise<void> {
    if (step.do === 'write') for (const one of step.writes) await this.#shop.write(one);
    else if (step.do === 'erase') await this.#erase(step);
    else {
      await this.#rebuilt();
      const name = `${step.view}_local`;
      const [oldest] = await this.#project.generations(step.view);
      if (step.do === 'rebuild') this.#rebuilding = this.#project.start(['rebuild', name, '--promote']);
      // Refused where there is nothing to go back to, or it is in use: then nothing happens.
      else if (step.do === 'rollback') await this.#project.ask('rollback', name);
      else await this.#project.ask('retire', name, String(oldest!.id));
    }
  }

  async #rebuilt(): Promise<void> {
    await this.#rebuilding?.exited;
    // What readers see may lie behind it while its own daemon is killed: then the gate refuses.
    if (this.#rebuilding)
      expect(this.#rebuilding.output()).toMatch(/^(promoted after|error: Not promoted:)/m);
    this.#rebuilding = null;
  }

  async #erase(step: Extract<Step, { do: 'erase' }>): Promise<void> {
    const ids = this.#shop.pick(step.subjects).map(String);
    const before = new Set(this.#journal.state.events.map((e) => e.id));
    const stop = new AbortController();
    let killed = false;
    const track = step.track ? ['--track'] : [];
    const eraser = this.#project.start(['--json', 'erase', 'customer', ...ids, ...track, '--wait']);
    const deleted = step.track ? this.#deleteTracked(ids.map(Number), stop.signal) : null;
    // What is written when rows were found is found as well: without an end tracking would never see one.
    const left = new Map(step.meanwhile.map((one) => [one, 2]));
    const acted = this.#follow(before, stop.signal, async (event) => {
      for (const one of step.meanwhile)
        if (one.at === event.type && (left.get(one) ?? 0) > 0) {
          left.set(one, left.get(one)! - 1);
          await this.#shop.write(one.write, Number(ids[0]));
        }
      if (killed || step.kill?.at !== event.type) return;
      killed = true;
      await wait(step.kill.after);
      if (step.kill.victim === 'eraser') await eraser.end('SIGKILL');
      else {
        await this.#daemons[step.kill.victim].end('SIGKILL');
        this.#daemons[step.kill.victim] = this.#run(step.kill.victim);
      }
    });
    await Promise.race([eraser.exited, acted, ...(deleted ? [deleted] : [])]);
    stop.abort();
    await acted;
    await deleted;
    if (step.finish) await this.#project.ask('erasure', 'finish');
    const open = [...(await this.#journal.refresh()).erasures.values()].filter(
      (e) => e.phase !== 'completed',
    );
    const again = await this.#project.ask('erase', 'customer', ...ids, '--wait');
    expect([step, again.code, again.output]).toEqual([step, 0, expect.stringContaining('"completed"')]);
    for (const { certificate, phase } of again.answer) {
      const read = certificate?.body.places.filter((p: Place) => p.state === 'verified');
      expect([step, phase, read?.map((p: Place) => p.kind)]).toEqual([
        step,
        'completed',
        expect.arrayContaining(['table']),
      ]);
    }
    // The same ones go on.
    const now = again.answer.map((e: { id: string }) => e.id);
    expect(now).toEqual(expect.arrayContaining(open.map((e) => e.id)));
    this.#shop.erased(ids.map(Number));
    await this.#expectGone(await this.#shop.gone());
  }

  /** As the application does that deletes what was noted, and not what came since. */
  async #deleteTracked(ids: readonly number[], signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const id of ids) {
        const rows = await this.#shop.rowsOf(id);
        if (rows.customers.length > 0 && this.#noted(rows)) await this.#shop.remove(id, rows);
      }
      await wait(100, undefined, { signal }).catch(() => {});
    }
  }

  #noted(rows: CustomerRows): boolean {
    const tracked = new Set<string>();
    for (const erasure of this.#journal.state.erasures.values())
      for (const { hashes } of erasure.tracked?.rows ?? []) for (const hash of hashes) tracked.add(hash);
    if (tracked.size === 0) return false;
    const file = join(this.#project.folder, '.insideout', 'erasure-key.pem');
    const { hasher } = loadErasureKey(file, { create: false });
    return Object.entries(rows).every(([table, ids]) =>
      ids.every((id) => tracked.has(hasher.key(this.#project.topic(table), { id }))),
    );
  }

  /** Calls back for every event of the journal that is new, in order. */
  async #follow(
    before: ReadonlySet<string>,
    signal: AbortSignal,
    on: (event: ErasureEvent) => Promise<void>,
  ): Promise<void> {
    const seen = new Set(before);
    for await (const { events } of this.#journal.changes(signal))
      for (const event of events) {
        if (seen.has(event.id)) continue;
        seen.add(event.id);
        await on(event);
      }
  }

  /** In the end views are what the database is, every erasure is completed and verifies, and nothing is left. */
  async #settled(): Promise<void> {
    await this.#project.caughtUp();
    for (const [view, rows] of Object.entries(await this.#shop.views())) {
      const seen = (await this.#project.rows(view as ViewName)).map((row) =>
        JSON.stringify(Object.values(row).map(String)),
      );
      expect([view, seen.sort()]).toEqual([view, rows]);
    }
    const { answer } = await this.#project.ask('erasures');
    for (const e of answer) {
      expect(e.phase).toBe('completed');
      for (const place of e.places) expect(place.state).toMatch(/^(un)?verifi(ed|able)$/);
    }
    const checked = await this.#project.ask('erasure', 'verify');
    expect([checked.code, checked.answer.map((v: { chain: unknown[] }) => v.chain)]).toEqual([
      0,
      checked.answer.map(() => []),
    ]);
    await this.#expectGone(await this.#shop.gone());
  }
}

/** Nothing takes this long, however busy the machine is. */
async function inTime<T>(work: Promise<T>, told: () => string): Promise<T> {
  const done = new AbortController();
  const late = wait(120_000, undefined, { signal: done.signal }).then(() => {
    throw new Error(told());
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort();
    late.catch(() => {});
  }
}
