import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openJournal } from '../../deletes/journal.ts';
import type { RunningCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { type ErasureProject, erasureProject } from './erasure-project.ts';

/** A shop that is in every view, and no daemon any more: nothing passes deletes. */
async function captured(): Promise<ErasureProject> {
  const project = await erasureProject();
  const daemon = project.up();
  await project.caughtUp();
  await daemon.end('SIGTERM');
  return project;
}

test('a command that is interrupted says how far erasures are and who goes on with them, and is no bug', {
  timeout: 120_000,
}, async () => {
  const project = await captured();
  const log = await project.openLog();
  const journal = await openJournal(log, project.source);
  onTestFinished(async () => {
    await journal.close();
    await log.close();
  });
  const interrupted = async (cli: RunningCli, phase: string) => {
    const newest = () => [...journal.state.erasures.values()].at(-1);
    await eventually(`it is ${phase}`, () => newest()?.phase === phase);
    const code = await cli.end('SIGINT');
    const told = cli.output().slice(cli.output().search(/^(interrupted|error): /m));
    expect(told).not.toContain('bug');
    return { code, told, id: newest()!.id };
  };
  const unpassed = project.start(['erase', 'customer', '3', '--wait']);
  await eventually('it says what it waits for', () =>
    /pending; .*insideout source run/.test(unpassed.output()),
  );
  const waiting = await interrupted(unpassed, 'deleted');
  expect(waiting.code).toBe(1);
  expect(waiting.told).toContain(`${waiting.id}: deleted; a running \`insideout up\` goes on with it`);
  const tracking = await interrupted(project.start(['erase', 'customer', '4', '--track']), 'found');
  expect(tracking.code).toBe(1);
  expect(tracking.told).toContain(`${tracking.id}: found; only who knows its id can go on`);
  expect(tracking.told).not.toContain(waiting.id);
  const shown = project.start(['erasure', 'show', tracking.id]);
  expect(await shown.exited).toBe(0);
  expect(shown.output()).toContain('erase the same subject again');

  const asked = await project.ask('subjects', 'suggest', 'customers');
  expect([asked.code, asked.answer.error.code]).toEqual([2, 'USAGE']);
  const proposed = await project.ask('subjects', 'suggest');
  expect(proposed.answer.map(({ is }: { is: string[] }) => is[0])).toEqual(['public.customers.id']);
});

test('what was lifted before its certificate is not buried: its rows are let in again, and no certificate says that they are gone', {
  timeout: 120_000,
}, async () => {
  const project = await captured();
  const { answer } = await project.ask('erase', 'customer', '3');
  const [{ id }] = answer;
  expect((await project.ask('erasure', 'lift', id)).code).toBe(0);
  await project.db.client.query(`insert into customers values (3, 'again@example.org', 'Somebody else')`);
  project.up();
  await project.caughtUp();
  const finished = await project.ask('erasure', 'finish', id);
  expect([finished.code, finished.answer[0].phase]).toEqual([1, 'passed']);
  await project.caughtUp();
  expect(await project.row('customer', 3)).toMatchObject({ name: 'Somebody else' });
});

test('a view that was taken out of the config is told as what an erasure waits for, with the mend', {
  timeout: 120_000,
}, async () => {
  const project = await captured();
  const file = join(project.folder, 'insideout.config.mjs');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/\{ name: 'orders_local'.*\n/, ''));
  project.up();
  const eraser = project.start(['erase', 'customer', '3', '--wait']);
  await eventually('it says so', () => eraser.output().includes('put it back and run it'));
  expect(eraser.output()).toMatch(
    /1 pending; local\/orders_local g1: 2 records before the deletes; the config/,
  );
  await eraser.end('SIGINT');
});
