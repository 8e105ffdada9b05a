import { Argument, Command } from 'commander';
import { stackStatus, startStack, stopStack } from './stack.ts';
import { type ServerName, serverNames } from './versions.ts';

/** `npm run stack -- start | stop | status [names...]` */
const names = () => new Argument('[names...]', 'servers (default: all)').choices(serverNames);
const program = new Command('stack').description(
  'real servers for development and tests, from packages, without Docker',
);

program
  .command('start')
  .description('start them and wait until each answers')
  .addArgument(names())
  .action(async (wanted: ServerName[]) => {
    await startStack(all(wanted), (name) => process.stderr.write(`${name} is ready\n`));
    await print(all(wanted), false);
  });

program
  .command('stop')
  .addArgument(names())
  .action(async (wanted: ServerName[]) => {
    const stopped = await stopStack(all(wanted));
    process.stdout.write(stopped.length > 0 ? `stopped ${stopped.join(', ')}\n` : 'nothing was running\n');
  });

program
  .command('status')
  .option('--json', 'print JSON')
  .addArgument(names())
  .action(async (wanted: ServerName[], options: { json?: boolean }) =>
    print(all(wanted), options.json === true),
  );

const all = (wanted: ServerName[]) => (wanted.length > 0 ? wanted : serverNames);

async function print(wanted: readonly ServerName[], json: boolean): Promise<void> {
  const status = await stackStatus(wanted);
  process.stdout.write(
    json
      ? `${JSON.stringify(status)}\n`
      : status
          .map(
            (s) =>
              `${s.name.padEnd(9)}  ${s.version.padEnd(13)}  ${(s.ready ? 'ready' : s.pid ? 'starting' : 'stopped').padEnd(8)}  ${s.address}\n`,
          )
          .join(''),
  );
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
