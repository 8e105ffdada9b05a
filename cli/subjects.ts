import { Command } from 'commander';
import type { Finding } from '../connectors/source/source.ts';
import { InsideoutError } from '../core/errors.ts';
import type { CheckedConfig } from '../daemon/config/check.ts';
import { sourceEraser } from '../daemon/wiring.ts';
import { rootsOf, type SuggestedSubject, suggestSubject } from '../deletes/suggest.ts';
import { chosenSource, config, globals } from './context.ts';
import { findingLine } from './finding-line.ts';
import { exit, report } from './output.ts';

export function subjectsCommand(): Command {
  const command = new Command('subjects').description('persons and entities that can be erased');
  command
    .command('suggest')
    .description('propose a subject from the foreign keys of a source')
    .argument(
      '[table]',
      'the own table of the subject: schema.table, or schema.table.column (default: one after the other those that others refer to, and that refer to none)',
    )
    .option('--source <source>', 'source of the config (default: the only one)')
    .action(async (table: string | undefined, options: { source?: string }, self: Command) => {
      const loaded = await config(self);
      const source = chosenSource(loaded, options.source, 'Give --source, one of');
      if (table !== undefined && !/^[^.]+\.[^.]/.test(table))
        throw new InsideoutError('USAGE', `${table} is no table with its schema.`, {
          hint: 'Give it as schema.table, such as public.customers, or as schema.table.column.',
        });
      const eraser = sourceEraser(loaded, source);
      try {
        const foreignKeys = await eraser.foreignKeys();
        const proposals = (table === undefined ? rootsOf(foreignKeys) : [table]).map((own) => ({
          source,
          ...suggestSubject(own, foreignKeys),
        }));
        if (proposals.length === 0)
          throw new InsideoutError('USAGE', 'No foreign key tells which tables are those of subjects.', {
            hint: 'Give the own table of the subject, such as public.customers.',
          });
        report(globals(self).json, table === undefined ? proposals : proposals[0], () =>
          proposals.map(proposalText).join('\n\n'),
        );
      } finally {
        await eraser.close();
      }
    });
  command
    .command('check')
    .description('compare the subjects of the config with the catalog of the database')
    .action(async (_options: object, self: Command) => {
      const loaded = await config(self);
      const findings = await checkSubjects(loaded);
      report(
        globals(self).json,
        findings,
        () => findings.map(findingLine).join('\n') || 'the config has no subjects',
      );
      if (findings.some((f) => f.severity === 'error')) process.exitCode = exit.operator;
    });
  return command;
}

/** As it can be put into the config. */
function proposalText({ source, is, leftOut }: SuggestedSubject & { readonly source: string }): string {
  return [
    `subjects: { ${is[0]?.split('.')[1]?.replace(/s$/, '')}: {`,
    `  source: '${source}',`,
    `  is: [${is.map((line) => `\n    '${line}',`).join('')}\n  ],`,
    '} }',
    ...leftOut.map((line) => `left out: ${line}`),
  ].join('\n');
}

/** What the sources say to the subjects of the config. */
export async function checkSubjects(loaded: CheckedConfig): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const subject of Object.values(loaded.subjects)) {
    const eraser = sourceEraser(loaded, subject.source);
    try {
      for (const finding of await eraser.check(subject))
        findings.push({ ...finding, check: `subject ${subject.name}: ${finding.check}` });
    } finally {
      await eraser.close();
    }
  }
  return findings;
}
