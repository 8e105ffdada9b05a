import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { counted } from '../core/counted.ts';
import { InsideoutError } from '../core/errors.ts';
import type { Erasures } from '../daemon/erasures.ts';
import { type Certificate, certificateHash } from '../deletes/certificate.ts';
import { certificatePage } from '../deletes/certificate-page.ts';
import type { Erasure } from '../deletes/journal.ts';
import type { Verification } from '../deletes/verify.ts';
import { config, globals } from './context.ts';
import { finish, humanErasures, next, plainErasure } from './erase.ts';
import { placesTable } from './erasure-places.ts';
import { exit, report, table } from './output.ts';
import { withErasures } from './with-erasures.ts';

export function erasuresCommand(): Command {
  return new Command('erasures')
    .description('list erasures, oldest first')
    .action(async (_options: object, command: Command) => {
      await withErasures(await config(command), async (erasures) => {
        const all = [...erasures.journal.state.erasures.values()];
        report(globals(command).json, all.map(plainErasure), () =>
          all.length === 0
            ? 'no erasures yet'
            : table(
                ['ERASURE', 'SUBJECT', 'HASH', 'REQUESTED', 'BY', 'PHASE', 'CERTIFICATE'],
                all.map((e) => [
                  e.id,
                  e.subject,
                  e.subjectHash,
                  new Date(e.requestedAt).toISOString(),
                  e.by,
                  e.phase,
                  e.certificate?.body.number ?? '-',
                ]),
              ),
        );
      });
    });
}

export function erasureCommand(): Command {
  const command = new Command('erasure').description('one erasure: show, finish, verify, lift');
  command
    .command('show')
    .description('its places, and its certificate')
    .argument('<id>', 'the id, or its first characters')
    .option('--html <file>', 'write the certificate as a page')
    .action(async (id: string, options: { html?: string }, self: Command) => {
      await withErasures(await config(self), async (erasures) => {
        const erasure = erasures.erasure(id);
        if (options.html !== undefined) {
          if (!erasure.certificate)
            throw new InsideoutError('USAGE', `The erasure ${erasure.id} has no certificate yet.`, {
              hint: `Wait for a running \`insideout up\`, or run \`insideout erasure finish ${erasure.id.slice(0, 8)}\`.`,
            });
          writePage(options.html, erasure.certificate);
        }
        report(globals(self).json, plainErasure(erasure), () =>
          [
            `${erasure.id}: ${erasure.subject} ${erasure.subjectHash}, ${erasure.phase}`,
            erasure.places.length > 0 ? placesTable(erasure.places) : 'nothing was read back yet',
            ...certificateLines(erasure, options.html),
          ].join('\n'),
        );
      });
    });
  command
    .command('finish')
    .description('go on with an erasure that was interrupted, or with all of them')
    .argument('[id]')
    .action(async (id: string | undefined, _options: object, self: Command) => {
      await withErasures(await config(self), async (erasures, signal) => {
        const ids =
          id === undefined
            ? [...erasures.journal.state.erasures.values()]
                .filter((e) => e.phase !== 'completed')
                .map((e) => e.id)
            : [erasures.erasure(id).id];
        const json = globals(self).json === true;
        const finished = await finish(erasures, ids, { json, signal });
        report(json, finished.map(plainErasure), () =>
          finished.length === 0 ? 'nothing is left to finish' : humanErasures(finished, true),
        );
        if (finished.some((e) => e.phase !== 'completed')) process.exitCode = exit.failed;
      });
    });
  command
    .command('verify')
    .description(
      'check signature and chain, and read Log and stores again; exit code 3 when something is wrong',
    )
    .argument('[id]', 'default: all')
    .option('--head <hash>', 'hash of a certificate that was kept elsewhere, which must be in the chain')
    .action(async (id: string | undefined, options: { head?: string }, self: Command) => {
      await withErasures(await config(self), async (erasures, signal) => {
        const chosen =
          id === undefined ? [...erasures.journal.state.erasures.values()] : [erasures.erasure(id)];
        const verified = await erasures.verify(chosen, signal, options.head);
        report(globals(self).json, verified, () =>
          verified.length === 0
            ? 'no erasures yet'
            : [chainLines(verified[0]!, erasures), ...verified.map(verification), headLine(erasures)].join(
                '\n\n',
              ),
        );
        if (verified.some((v) => !v.ok)) process.exitCode = exit.operator;
      });
    });
  command
    .command('lift')
    .description(
      'let rows with the erased keys in again, as when a natural key is used anew; the certificate stays',
    )
    .argument('<id>')
    .action(async (id: string, _options: object, self: Command) => {
      await withErasures(await config(self), async (erasures) => {
        const { id: erasure } = erasures.erasure(id);
        await erasures.journal.record({ type: 'lifted', erasure });
        report(
          globals(self).json,
          { erasure, lifted: true },
          () => `lifted: rows with the keys of ${erasure} are let in again`,
        );
      });
    });
  return command;
}

function writePage(file: string, certificate: Certificate): void {
  try {
    writeFileSync(file, certificatePage(certificate));
  } catch (error) {
    throw new InsideoutError('USAGE', `The file ${file} cannot be written.`, {
      hint: 'Give --html a file in a folder that exists and can be written to.',
      cause: error,
    });
  }
}

function certificateLines(erasure: Erasure, page: string | undefined): string[] {
  const { certificate } = erasure;
  if (!certificate) return [`not finished: ${next(erasure)}`];
  if (page !== undefined) return [`certificate ${certificate.body.number} is written to ${page}`];
  return ['', JSON.stringify(certificate, null, 2)];
}

/** Kept elsewhere, it shows later that the chain was not cut off at its end. */
function headLine({ journal }: Erasures): string {
  const last = journal.state.chain.at(-1);
  return last
    ? `head of the chain: certificate ${last.body.number}, ${certificateHash(last)}\n  keep it elsewhere; later: insideout erasure verify --head <hash>`
    : 'no certificate yet';
}

/** The same for all of them. */
function chainLines({ chain }: Verification, { journal }: Erasures): string {
  return chain.length === 0
    ? `ok    the chain of ${counted(journal.state.chain.length, 'certificate')} is whole`
    : chain.map((problem) => `FAIL  ${problem}`).join('\n');
}

function verification(v: Verification): string {
  const state = v.lifted ? `${v.phase}, lifted` : v.phase;
  const told = `${v.ok ? 'ok' : 'NOT ok'}, ${state}`;
  const because = v.chain.length > 0 ? '; the chain of certificates is broken' : '';
  const problems = v.problems.map((problem) => `FAIL  ${problem}`);
  return [`${v.erasure}: ${told}${because}`, ...problems, placesTable(v.places)].join('\n');
}
