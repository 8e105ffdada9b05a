import { describe, expect, test } from 'vitest';
import { InsideoutError, isInsideoutError } from '../../core/errors.ts';
import { type SupervisorClock, supervise, type Unit } from '../../daemon/supervisor.ts';

const down = () => new InsideoutError('STORE_UNREACHABLE', 'it is down', { hint: 'wait' });
const refused = () => new InsideoutError('STORE_REFUSED', 'it is full', { hint: 'make room' });

/** A clock that only a sleeper or a unit moves. */
class FakeClock implements SupervisorClock {
  time = 0;
  readonly slept: number[] = [];
  now = () => this.time;
  random = () => 1;
  sleep = async (ms: number) => {
    this.slept.push(ms);
    this.time += ms;
  };
}

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

function harness(units: Unit[], random = 1) {
  const clock = new FakeClock();
  clock.random = () => random;
  const stop = new AbortController();
  const told: string[] = [];
  const events = {
    started: (u: Unit) => told.push(`${u.name} started`),
    restarting: (u: Unit, e: InsideoutError) => told.push(`${u.name} ${e.code}`),
    stopped: (u: Unit, e: InsideoutError) => told.push(`${u.name} stopped ${e.code}`),
  };
  return { clock, stop, told, done: supervise(units, { signal: stop.signal, events, clock }) };
}

/** A unit that fails `times` times and then runs until it is stopped, having told so. */
function failing(times: number, options: { runsFor?: () => void; running: () => void }): Unit {
  let left = times;
  return {
    name: 'v',
    kind: 'view',
    run: async (signal) => {
      await Promise.resolve();
      options.runsFor?.();
      if (left-- > 0) throw down();
      options.running();
      await untilAborted(signal);
    },
  };
}

describe('supervise', () => {
  test('what may pass is tried again, after waits that double up to 30 s', async () => {
    const h = harness([failing(9, { running: () => h.stop.abort() })]);
    expect(await h.done).toEqual([]);
    expect(h.clock.slept).toEqual([200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000]);
  });

  test('jitter shortens a wait by at most half', async () => {
    const h = harness([failing(2, { running: () => h.stop.abort() })], 0);
    await h.done;
    expect(h.clock.slept).toEqual([100, 200]);
  });

  test('a unit that ran well for a minute starts over with the first wait', async () => {
    const runsFor = () => {
      h.clock.time += h.clock.slept.length === 3 ? 60_000 : 0;
    };
    const h = harness([failing(4, { runsFor, running: () => h.stop.abort() })]);
    await h.done;
    expect(h.clock.slept).toEqual([200, 400, 800, 200]);
  });

  test('a view that an operator must mend stops alone, and the others run on', async () => {
    let others = false;
    const h = harness([
      { name: 'bad', kind: 'view', run: () => Promise.reject(refused()) },
      {
        name: 'shop',
        kind: 'source',
        run: async (signal) => {
          await new Promise(setImmediate);
          others = !signal.aborted;
          h.stop.abort();
        },
      },
    ]);
    expect((await h.done).map((e) => e.code)).toEqual(['STORE_REFUSED']);
    expect(others).toBe(true);
    expect(h.told.filter((t) => t.startsWith('bad'))).toEqual(['bad started', 'bad stopped STORE_REFUSED']);
  });

  test('a source that an operator must mend stops everything', async () => {
    const h = harness([
      { name: 'shop', kind: 'source', run: () => Promise.reject(refused()) },
      { name: 'v', kind: 'view', run: untilAborted },
    ]);
    expect((await h.done).map((e) => e.code)).toEqual(['STORE_REFUSED']);
  });

  test('it ends by itself once every unit has stopped', async () => {
    const bad = (name: string): Unit => ({ name, kind: 'view', run: () => Promise.reject(refused()) });
    expect(await harness([bad('a'), bad('b')]).done).toHaveLength(2);
  });

  test('a unit that returns though nothing stopped it is an error, not a success', async () => {
    const [error] = await harness([{ name: 'v', kind: 'view', run: async () => {} }]).done;
    expect(isInsideoutError(error, 'INTERNAL')).toBe(true);
    expect(error?.message).toBe('The view "v" ended, though nothing stopped it.');
  });

  test('it resolves only after every unit has drained', async () => {
    let drained = false;
    const h = harness([
      {
        name: 'v',
        kind: 'view',
        run: async (signal) => {
          await untilAborted(signal);
          await new Promise(setImmediate);
          drained = true;
        },
      },
    ]);
    h.stop.abort();
    expect(await h.done).toEqual([]);
    expect(drained).toBe(true);
  });
});
