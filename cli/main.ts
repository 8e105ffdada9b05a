#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Command, CommanderError } from 'commander';
import { InsideoutError } from '../core/errors.ts';
import { commandsFor } from './commands.ts';
import { exit, reportError } from './output.ts';

// V8 would take rows for long-lived, because those of a batch live until it is in the store, and put what the same
// line makes from then on where only a full collection frees it: seen in every third run, a sixth more time.
setFlagsFromString('--no-allocation-site-pretenuring');

/** The version in package.json, which lies one folder up in a clone and two in the published package. */
function version(): string {
  for (const path of ['../package.json', '../../package.json'])
    try {
      return (JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { version: string })
        .version;
    } catch {}
  return 'unknown';
}

const program = new Command('insideout')
  .description(
    'Postgres changes into a log, and from the log into views that can be thrown away and built again.',
  )
  .version(version())
  .option('-c, --config <file>', 'config file (default: insideout.config.ts, .js or .yaml in this folder)')
  .option('--json', 'print answers and errors as JSON')
  .addHelpText('after', '\nExit codes: 0 ok, 1 failed, 2 wrong usage or config, 3 an operator must act.');

for (const command of await commandsFor(process.argv.slice(2))) program.addCommand(command);
inherit(program);

/** Subcommands do not take over the program's handling of wrong usage by themselves. */
function inherit(command: Command): Command {
  command
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => {} })
    .addHelpText('before', () => refuseUnknown(command));
  command.commands.forEach(inherit);
  return command;
}

/** Help is given before the parser looks for the command, so help for one that is not there would seem to be right. */
function refuseUnknown(command: Command): string {
  const [name] = command.args[0] === 'help' ? command.args.slice(1) : command.args;
  const known = command.commands.some((c) => c.name() === name);
  if (command.commands.length > 0 && name !== undefined && !name.startsWith('-') && !known)
    throw new CommanderError(1, 'commander.unknownCommand', `error: unknown command '${name}'`);
  return '';
}

/** What the parser refused, in the form of all other errors. */
function wrongUsage(error: CommanderError): InsideoutError {
  const message = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
  return new InsideoutError('USAGE', `${message[0]?.toUpperCase()}${message.slice(1)}.`, {
    hint: 'See `insideout help`, or --help after the command.',
  });
}

try {
  await program.parseAsync();
} catch (error) {
  // Help was printed: because it was asked for, or because no command was given.
  if (error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help'))
    process.exitCode = error.exitCode === 0 ? exit.ok : exit.usage;
  else
    process.exitCode = reportError(
      error instanceof CommanderError ? wrongUsage(error) : error,
      program.opts<{ json?: boolean }>().json === true || process.argv.includes('--json'),
    );
}
