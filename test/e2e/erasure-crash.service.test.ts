import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { RunningCli } from '../support/cli.ts';
import { type Answer, erasureProject, filesWith, type Place, valuesOf } from './erasure-project.ts';

const kills = Number(process.env.KILLS ?? 4);
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

/** A small generator of random numbers that a seed repeats (mulberry32). */
function randomFrom(start: number): () => number {
  let a = start;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

test(`after kill -9 of eraser, source and views at any moment every erasure goes on to one certificate, and no verified place has a value (seed ${seed}, ${kills} kills)`, {
  timeout: 120_000 + kills * 60_000,
}, async () => {
  const random = randomFrom(seed);
  const project = await erasureProject();
  const { folder } = project;
  const daemons: Record<'source' | 'view', RunningCli> = {
    source: project.start(['source', 'run']),
    view: project.start(['view', 'run']),
  };
  await project.caughtUp();
  /** How long an erasure takes here, so that kills meet all of it. */
  const began = Date.now();
  expect((await project.ask('erase', 'customer', '20', '--wait')).code).toBe(0);
  const whole = Date.now() - began;
  const ids = Array.from({ length: kills }, (_, i) => i + 1);
  for (const id of ids) {
    const eraser = project.start(['--json', 'erase', 'customer', String(id), '--wait']);
    await Promise.race([wait(random() * whole), eraser.exited]);
    const victim = (['eraser', 'eraser', 'source', 'view'] as const)[Math.floor(random() * 4)]!;
    if (victim === 'eraser') await eraser.end('SIGKILL');
    else {
      await daemons[victim].end('SIGKILL');
      daemons[victim] = project.start([victim, 'run']);
    }
    // The others are waited for, or killed as well.
    if (victim !== 'eraser' && random() < 0.7) await eraser.exited;
    else await eraser.end('SIGKILL');
    if (random() < 0.5) await project.ask('erasure', 'finish');
    const before = (await project.ask('erasures')).answer;
    const [open] = before.filter((e: Answer) => e.phase !== 'completed');
    const again = await project.ask('erase', 'customer', String(id), '--wait');
    expect([id, again.code, again.output]).toEqual([id, 0, expect.stringContaining('"completed"')]);
    // The same one goes on; what was completed is proven once more.
    if (open) expect([id, again.answer[0].id]).toEqual([id, open.id]);
    const verified = again.answer[0].certificate.body.places.filter((p: Place) => p.state === 'verified');
    expect(verified.map((p: Place) => p.kind)).toEqual(
      expect.arrayContaining(['table', 'topic', 'view topic', 'generation']),
    );
    expect([id, filesWith(folder, valuesOf(id))]).toEqual([id, []]);
    for (const view of ['customer', 'copy', 'picky', 'payments'] as const)
      expect([id, view, await project.row(view, id)]).toEqual([id, view, null]);
  }
  const { answer } = await project.ask('erasures');
  expect(answer.every((e: Answer) => e.phase === 'completed')).toBe(true);
  for (const e of answer) for (const place of e.places) expect(place.state).toMatch(/^(un)?verifi(ed|able)$/);
  const checked = await project.ask('erasure', 'verify');
  expect([checked.code, checked.answer[0].chain]).toEqual([0, []]);
});
