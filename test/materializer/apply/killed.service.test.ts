import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import { openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import {
  type Change,
  caughtUp,
  customersTopic,
  model,
  recordsOf,
  rowsOf,
  sorted,
  temporaryFolder,
  until,
} from '../customers.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const kills = Number(process.env.KILLS ?? 6);
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);

/** https://en.wikipedia.org/wiki/Linear_congruential_generator, for a run that can be repeated. */
function randomFrom(start: number): (below: number) => number {
  let state = start >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test(`a process killed ${kills} times under load leaves exactly the rows of its topic (SEED=${seed})`, {
  timeout: 30_000 + kills * 5_000,
}, async () => {
  const random = randomFrom(seed);
  const logPath = folder.path('log.db');
  const storePath = folder.path('store.db');
  const log = await openEmbeddedLog({ path: logPath });
  const store = await openSqliteStore({ path: storePath });
  const customers = await customersTopic(log, 3);
  const history: Change[] = [];

  const load = async () => {
    const part = Array.from({ length: 20 + random(400) }, (_, i): Change => {
      const id = random(800);
      const dice = random(1000);
      if (dice === 0) return { op: 'truncate' };
      if (dice < 250) return { op: 'remove', id };
      const name = dice < 300 ? 'hidden' : `n${history.length + i}`;
      return { op: 'upsert', id, customer: { name, visits: i } };
    });
    history.push(...part);
    await log.append(part.flatMap((c) => recordsOf(c, customers)));
  };

  for (let kill = 0; kill < kills; kill++) {
    const child = start(logPath, storePath, `killed-${kill}`);
    let batches = 0;
    child.stdout!.on('data', (lines: Buffer) => {
      batches += lines.toString().split('\n').length - 1;
    });
    const enough = 1 + random(12);
    while (batches < enough && child.exitCode === null) {
      await load();
      await wait(1);
    }
    // Somewhere within the next applications, not between two of them.
    await load();
    await wait(random(8));
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
  }
  const last = start(logPath, storePath, 'last');
  try {
    await until(() => caughtUp(log, store), 'caught up');
  } finally {
    last.kill('SIGKILL');
    await once(last, 'exit');
  }
  expect(await rowsOf(store)).toEqual(sorted(model(history).values()));
  expect(await log.topics()).toHaveLength(1);
  await store.close();
  await log.close();
});

function start(...args: string[]): ChildProcess {
  const script = fileURLToPath(new URL('./killed-child.ts', import.meta.url));
  return spawn(process.execPath, ['--import', 'tsx', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}
