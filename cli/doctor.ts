import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Command } from 'commander';
import { error, failed, fine } from '../connectors/source/findings.ts';
import type { Finding } from '../connectors/source/source.ts';
import { toInsideoutError } from '../core/errors.ts';
import type { CheckedConfig } from '../daemon/config/check.ts';
import {
  checkFirstStart,
  inspectSource,
  missingFile,
  openLog,
  openStore,
  sourceGap,
  stoppedTables,
} from '../daemon/wiring.ts';
import { checkRegistry } from '../log/avro/check-registry.ts';
import type { Log } from '../log/log.ts';
import { config, globals } from './context.ts';
import { checkSecrets } from './doctor-secrets.ts';
import { checkViews } from './doctor-views.ts';
import { findingLine } from './finding-line.ts';
import { exit, report } from './output.ts';
import { checkSubjects } from './subjects.ts';

export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'check every connection and setting, and print the mend of what is wrong; changes no data and no settings (a keyspace that Cassandra lacks is created)',
    )
    .action(async (_options: object, command: Command) => {
      const loaded = await config(command);
      const findings = (
        await Promise.all([
          ...sources(loaded),
          checkLog(loaded),
          ...stores(loaded),
          subjects(loaded),
          checkSecrets(loaded),
        ])
      ).flat();
      const wrong = findings.filter((f) => f.severity === 'error');
      report(globals(command).json, { ok: wrong.length === 0, findings }, () =>
        findings.map(findingLine).join('\n'),
      );
      if (wrong.length > 0) process.exitCode = exit.operator;
    });
}

const sources = (loaded: CheckedConfig): Promise<Finding[]>[] =>
  Object.keys(loaded.sources).map(async (name) =>
    (await inspectSource(loaded, name)).map((f) => ({ ...f, check: `source ${name}: ${f.check}` })),
  );

async function checkLog(loaded: CheckedConfig): Promise<Finding[]> {
  const findings: Finding[] = [];
  const file = missingFile(loaded.log);
  if (file !== null)
    return [toBeCreated('log', file), ...(await gaps(loaded, null)), ...(await checkViews(loaded, []))];
  let topics: readonly string[] | null = null;
  try {
    const log = await openLog(loaded);
    try {
      topics = await log.topics();
      findings.push(fine('log', `The Log answers; it has ${topics.length} topics.`));
      findings.push(...(await gaps(loaded, log)));
      findings.push(...(await refusedTopics(loaded, log)));
      for (const name of Object.keys(loaded.sources))
        for (const { table, message, mend } of await stoppedTables(name, log))
          findings.push(
            error(
              `source ${name}: stopped table ${table}`,
              `Nothing of ${table} is captured. ${message}`,
              mend,
            ),
          );
      if (loaded.log.kind === 'kafka') findings.push(await registry(log));
    } finally {
      await log.close();
    }
  } catch (error) {
    findings.push(failed('log', toInsideoutError(error)));
  }
  return [...findings, ...(await checkViews(loaded, topics))];
}

/** What the Log would refuse of a source that has not begun; what its database would is among its own findings. */
async function refusedTopics(loaded: CheckedConfig, log: Log): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const name of Object.keys(loaded.sources))
    try {
      await checkFirstStart(loaded, name, { log, resnapshot: true });
    } catch (error) {
      const ours = toInsideoutError(error);
      if (ours.code.startsWith('LOG_')) findings.push(failed(`source ${name}: topics`, ours));
    }
  return findings;
}

async function gaps(loaded: CheckedConfig, log: Log | null): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const name of Object.keys(loaded.sources)) {
    // A database that does not answer is told of by its own finding.
    const gap = await sourceGap(loaded, name, log).catch(() => null);
    if (gap) findings.push(failed(`source ${name}: slot and Log`, gap));
  }
  return findings;
}

async function registry({ schemas }: Log): Promise<Finding> {
  try {
    await checkRegistry(schemas);
    return fine('registry', 'The schema registry answers.');
  } catch (error) {
    return failed('registry', toInsideoutError(error));
  }
}

async function subjects(loaded: CheckedConfig): Promise<Finding[]> {
  try {
    return await checkSubjects(loaded);
  } catch (error) {
    return [failed('subjects', toInsideoutError(error))];
  }
}

const stores = (loaded: CheckedConfig): Promise<Finding[]>[] =>
  Object.entries(loaded.stores).map(async ([name, store]) => {
    const file = missingFile(store);
    if (file !== null) return [toBeCreated(`store ${name}`, file)];
    try {
      const opened = await openStore(loaded, name);
      try {
        await opened.check();
        return [fine(`store ${name}`, 'The store answers and can be written to.')];
      } finally {
        await opened.close();
      }
    } catch (error) {
      return [failed(`store ${name}`, toInsideoutError(error))];
    }
  });

/** Whether a file can be created is asked of the nearest folder that is there, and nothing is created for it. */
function toBeCreated(check: string, file: string): Finding {
  let folder = dirname(resolve(file));
  while (!existsSync(folder)) folder = dirname(folder);
  try {
    if (!statSync(folder).isDirectory()) return cannotBeCreated(check, file, `${folder} is no folder`);
    accessSync(folder, constants.W_OK | constants.X_OK);
    return fine(check, `The file ${file} will be created at the first start.`);
  } catch {
    return cannotBeCreated(check, file, `${folder} cannot be written`);
  }
}

const cannotBeCreated = (check: string, file: string, reason: string): Finding => ({
  check,
  ok: false,
  severity: 'error',
  message: `The file ${file} cannot be created: ${reason}.`,
  mend: 'Correct the path in the config, or let this account write there.',
});
