import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Command } from 'commander';
import { counted } from '../core/counted.ts';
import { InsideoutError } from '../core/errors.ts';
import type { Erasures } from '../daemon/erasures.ts';
import { certificateHash } from '../deletes/certificate.ts';
import type { Erasure } from '../deletes/journal.ts';
import { needsEraser, openErasures } from '../deletes/unfinished.ts';
import { config, globals } from './context.ts';
import { livePlaces, placesTable } from './erasure-places.ts';
import { exit, report } from './output.ts';
import { withErasures } from './with-erasures.ts';

interface Options {
  readonly file?: string;
  readonly track?: boolean;
  readonly wait?: boolean;
}

export function eraseCommand(): Command {
  return new Command('erase')
    .description(
      'erase a person or entity: its rows in the database, in one transaction, and with them in the Log and in every view; then prove it',
    )
    .argument('<subject>', 'a subject of the config')
    .argument('[ids...]')
    .option('--file <file>', 'ids, one a line')
    .option(
      '--track',
      'only follow the deletes that the application makes itself: call it before they are made',
    )
    .option('--wait', 'until every place was read back and the certificate is signed')
    .action(async (name: string, ids: string[], options: Options, command: Command) => {
      const loaded = await config(command);
      const json = globals(command).json === true;
      const all = [...ids, ...(options.file ? idsOf(options.file) : [])];
      if (all.length === 0)
        throw new InsideoutError('USAGE', 'Whom to erase is missing.', { hint: 'Give ids, or --file.' });
      const work = async (erasures: Erasures, signal: AbortSignal) => {
        const subject = erasures.subject(name);
        const begun: Erasure[] = [];
        for (const id of all) {
          signal.throwIfAborted();
          begun.push(
            await erasures.begin(subject, id, {
              tracked: options.track ? waiting(json, signal) : null,
              held: options.wait === true,
            }),
          );
        }
        warnOfNobody(begun);
        await warn(erasures, begun, signal);
        await reportBegun(erasures, begun, { wait: options.wait === true, json, signal });
      };
      await withErasures(loaded, work, whatIsLeft);
    });
}

/** A mistyped id is erased like any other, and gets a certificate. Ids are told by their place: they are personal data. */
function warnOfNobody(begun: readonly Erasure[]): void {
  const nobody = begun.flatMap((e, i) =>
    Object.keys(e.rows).length === 0 && e.keys.every((of) => of.hashes.length === 0) ? [i + 1] : [],
  );
  if (nobody.length === 0) return;
  const whose = begun.length === 1 ? 'this id' : `id number ${nobody.join(', ')}`;
  process.stderr.write(
    `warning: no table has a row of ${whose}: is it right? What was there before is looked for all the same.\n`,
  );
}

/** Tells on stderr where the Log may forget a tombstone before the slowest view has read it. */
export async function warn(
  erasures: Erasures,
  begun: readonly Erasure[],
  signal: AbortSignal,
): Promise<void> {
  const ids = begun.map((e) => e.id);
  for (const warning of await erasures.warnings(ids, signal)) process.stderr.write(`warning: ${warning}\n`);
}

/** Takes erasures to their certificates, with a live table of places on a terminal. */
export async function finish(
  erasures: Erasures,
  ids: readonly string[],
  parts: { json: boolean; signal: AbortSignal },
): Promise<Erasure[]> {
  const live = livePlaces(parts.json);
  try {
    return await erasures.finish(ids, parts.signal, { onPlaces: live.show });
  } finally {
    live.stop();
  }
}

function waiting(json: boolean, signal: AbortSignal): (rows: number) => Promise<void> {
  return async (rows) => {
    if (!json) process.stderr.write(`waiting for the application to delete ${counted(rows, 'row')}\n`);
    await pause(1_000, undefined, { signal });
  };
}

function idsOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  } catch (error) {
    throw new InsideoutError('USAGE', `The file ${file} cannot be read.`, {
      hint: 'Correct --file.',
      cause: error,
    });
  }
}

/** Of erasures that were begun; to `wait` takes them to their certificates before, and fails where one has none. */
export async function reportBegun(
  erasures: Erasures,
  begun: readonly Erasure[],
  { wait, json, signal }: { wait: boolean; json: boolean; signal: AbortSignal },
): Promise<void> {
  const ids = begun.map((e) => e.id);
  const all = wait ? await finish(erasures, ids, { json, signal }) : ids.map((id) => erasures.erasure(id));
  report(json, all.map(plainErasure), () => humanErasures(all, wait));
  if (wait && all.some((e) => e.phase !== 'completed')) process.exitCode = exit.failed;
}

/** Who goes on with what an interrupted command did since the journal had so many events. */
export function whatIsLeft({ journal }: Erasures, before: number): string[] {
  const touched = new Set(journal.state.events.slice(before).map((event) => event.erasure));
  const open = openErasures(journal.state).filter((e) => touched.has(e.id));
  return open.map((e) => `  ${e.id}: ${e.phase}; ${next(e)}`);
}

/** What takes an erasure to its certificate. */
export const next = (e: Erasure): string =>
  needsEraser(e)
    ? 'only who knows its id can go on: erase the same subject again'
    : `a running \`insideout up\` goes on with it, or: insideout erasure finish ${e.id.slice(0, 8)}`;

export function humanErasures(erasures: readonly Erasure[], waited: boolean): string {
  return erasures
    .map((e) => {
      const rows =
        Object.entries(e.rows)
          .map(([table, n]) => `${n} of ${table}`)
          .join(', ') || 'no rows';
      const head = `${e.id}: ${e.phase}, ${rows}`;
      if (!waited) return `${head}\n  ${next(e)}`;
      const tail =
        e.phase === 'completed'
          ? `certificate ${e.certificate!.body.number}: insideout erasure show ${e.id.slice(0, 8)} --html certificate.html`
          : `not finished: ${next(e)}`;
      return [head, placesTable(e.places), tail].join('\n');
    })
    .join('\n\n');
}

/** An erasure for machines; the hashes of keys are left out. */
export const plainErasure = (e: Erasure) => ({
  id: e.id,
  subject: e.subject,
  subjectHash: e.subjectHash,
  source: e.source,
  by: e.by,
  requestedAt: new Date(e.requestedAt).toISOString(),
  phase: e.phase,
  rows: e.rows,
  places: e.places,
  certificate: e.certificate,
  /** Kept elsewhere, it shows later that the chain of certificates was not cut off before it. */
  certificateHash: e.certificate && certificateHash(e.certificate),
});
