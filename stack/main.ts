import { Argument, Command } from 'commander';
import { type ServerStatus, stackStatus, startStack, stopStack, wipeStack } from './stack.ts';
import { type ServerName, serverNames } from './versions.ts';

interface Output {
  readonly json?: boolean;
}

/** `npm run stack -- start | stop | status [names...]` */
const names = () => new Argument('[names...]', 'servers (default: all)').choices(serverNames);
const program = new Command('stack').description(
  'real servers for development and tests, from packages, without Docker',
);

program
  .command('start')
  .description('start them and wait until each answers')
  .option('--json', 'print JSON')
  .addArgument(names())
  .action(async (wanted: ServerName[], options: Output) => {
    await startStack(all(wanted), (name) => process.stderr.write(`${name} is ready\n`));
    await print(all(wanted), options);
  });

program
  .command('stop')
  .description('stop them; their data stays in .stack/ for the next start')
  .option('--wipe', 'remove their data, too')
  .option('--json', 'print JSON')
  .addArgument(names())
  .action(async (wanted: ServerName[], options: Output & { wipe?: boolean }) => {
    const stopped = await stopStack(all(wanted));
    if (options.wipe) wipeStack(all(wanted));
    const text = stopped.length > 0 ? `stopped ${stopped.join(', ')}` : 'nothing was running';
    process.stdout.write(`${options.json ? JSON.stringify({ stopped }) : text}\n`);
  });

program
  .command('status')
  .description('show versions, addresses, process ids, and whether each answers')
  .option('--json', 'print JSON')
  .addArgument(names())
  .action((wanted: ServerName[], options: Output) => print(all(wanted), options));

const all = (wanted: ServerName[]) => (wanted.length > 0 ? wanted : serverNames);

async function print(wanted: readonly ServerName[], options: Output): Promise<void> {
  const status = await stackStatus(wanted);
  process.stdout.write(options.json ? `${JSON.stringify(status)}\n` : status.map(line).join(''));
}

function line({ name, version, ready, pid, address }: ServerStatus): string {
  const state = ready ? 'ready' : pid === null ? 'stopped' : 'starting';
  const columns = [
    name.padEnd(9),
    version.padEnd(13),
    state.padEnd(8),
    String(pid ?? '-').padStart(7),
    address,
  ];
  return `${columns.join('  ')}\n`;
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
