import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Argument, Command, InvalidArgumentError } from 'commander';
import { cases } from './cases/all.ts';
import { runCase } from './cases/run-case.ts';
import { quick } from './quick.ts';
import { profileSummary } from './report/profile.ts';
import { resultObject } from './report/result-object.ts';
import { writeResults } from './report/results-file.ts';
import { resultTable } from './report/table.ts';

interface Options {
  readonly records?: number;
  readonly runs: number;
  readonly json?: boolean;
  readonly peer: boolean;
  readonly build: boolean;
  readonly profile?: boolean;
  readonly write?: boolean;
  readonly keep?: boolean;
}

const positive = (text: string): number => {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('give a whole number above 0');
  return number;
};

const say = (what: string) => process.stderr.write(`${what}\n`);

const program = new Command('bench')
  .description('how fast it is, beside the bare loops that it is made of and beside others')
  .addArgument(new Argument('<case>').choices([...cases.keys(), 'quick']))
  .option('--records <n>', 'rows or changes (default: as many as the case is meant for)', positive)
  .option('--runs <n>', 'how often everything is measured', positive, 1)
  .option('--json', 'print one JSON object')
  .option('--no-peer', 'leave the others out')
  .option('--write', 'write the section of bench/RESULTS.md and the plot')
  .option('--no-build', 'measure what was built for the run before')
  .option('--profile', 'write a CPU profile of our process and print where its time goes')
  .option('--keep', 'with quick: keep the ratios for later comparisons')
  .action(async (name: string, options: Options) => {
    if (name === 'quick') await runQuick(options);
    else await runOne(name, options);
  });

async function runOne(name: string, options: Options): Promise<void> {
  const one = cases.get(name)!;
  const records = options.records ?? one.records;
  const profile = options.profile ? mkdtempSync(join(tmpdir(), `insideout-profile-${name}-`)) : null;
  const runs = await runCase(one, { ...options, records, profile, say: (what) => say(`${name}: ${what}`) });
  if (options.json) process.stdout.write(`${JSON.stringify(resultObject(name, records, runs))}\n`);
  else process.stdout.write(resultTable(name, records, runs));
  if (options.write) writeResults(fileURLToPath(new URL('.', import.meta.url)), one, { records, runs });
  if (profile) say(`${profile}\n${profileSummary(profile, 15)}`);
}

async function runQuick({ keep, runs, build }: Options): Promise<void> {
  const slower = await quick({ keep: keep === true, runs, build, say });
  for (const sentence of slower) process.stdout.write(`${sentence}\n`);
  if (slower.length > 0) process.exitCode = 1;
  else process.stdout.write(keep ? 'the ratios are kept\n' : 'nothing became slower\n');
}

try {
  await program.parseAsync();
} catch (error) {
  say(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = 1;
}
// A client that was left open by a failed run must not hold the process.
process.exit();
