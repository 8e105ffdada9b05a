import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Argument, Command, InvalidArgumentError } from 'commander';
import { cases } from './cases/all.ts';
import { runCase } from './cases/run-case.ts';
import { profileSummary } from './report/profile.ts';
import { resultObject } from './report/result-object.ts';
import { resultTable } from './report/table.ts';

interface Options {
  readonly records?: number;
  readonly runs: number;
  readonly json?: boolean;
  readonly peer: boolean;
  readonly build: boolean;
  readonly profile?: boolean;
}

const positive = (text: string): number => {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('give a whole number above 0');
  return number;
};

const program = new Command('bench')
  .description('how fast it is, beside the bare loops it is made of and beside others')
  .addArgument(new Argument('<case>').choices([...cases.keys()]))
  .option('--records <n>', 'rows or changes (default: as many as the case is meant for)', positive)
  .option('--runs <n>', 'how often everything is measured', positive, 1)
  .option('--json', 'print one JSON object')
  .option('--no-peer', 'leave the others out')
  .option('--no-build', 'measure what was built for the run before')
  .option('--profile', 'write a CPU profile of our process and print where its time goes')
  .action(async (name: string, options: Options) => {
    const found = cases.get(name)!;
    const records = options.records ?? found.records;
    const profile = options.profile ? mkdtempSync(join(tmpdir(), `insideout-profile-${name}-`)) : null;
    const say = (what: string) => process.stderr.write(`${name}: ${what}\n`);
    const runs = await runCase(found, { ...options, records, profile, say });
    if (options.json) process.stdout.write(`${JSON.stringify(resultObject(name, records, runs))}\n`);
    else process.stdout.write(resultTable(name, records, runs));
    if (profile) process.stderr.write(`${profile}\n${profileSummary(profile, 15)}\n`);
  });

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}
// A client that was left open by a failed run must not hold the process.
process.exit();
