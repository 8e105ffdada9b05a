import { Command } from 'commander';
import { InsideoutError } from '../core/errors.ts';
import { withOwnDeadLetters } from '../daemon/concerns.ts';
import { openExistingLog } from '../daemon/existing.ts';
import { type DeadLetter, readDeadLetters } from '../materializer/apply/dead-letters.ts';
import { config, globals } from './context.ts';
import { report, table } from './output.ts';

export function dlqCommand(): Command {
  const command = new Command('dlq').description('dead letters: records that could not be applied');
  command
    .command('list')
    .description('list them, without their contents')
    .argument(
      '[topic]',
      'topic that they were read from (default: all that sources and views of the config have)',
    )
    .action(async (topic: string | undefined, _options: object, self: Command) => {
      const letters = await read(self, topic);
      report(globals(self).json, letters.map(summary), () =>
        letters.length === 0
          ? 'no dead letters'
          : table(
              ['topic', 'partition', 'offset', 'view', 'stage', 'code', 'time', 'reason'],
              letters.map((l) => [
                l.topic,
                l.partition,
                l.offset,
                l.view,
                l.stage,
                l.code,
                new Date(l.time).toISOString(),
                l.message,
              ]),
            ),
      );
    });
  command
    .command('show')
    .description('print one with its bytes (base64), which may be personal data')
    .argument('<topic>')
    .argument('<partition>')
    .argument('<offset>')
    .action(async (topic: string, partition: string, offset: string, _options: object, self: Command) => {
      const found = (await read(self, topic)).filter(
        (l) => l.partition === Number(partition) && l.offset === Number(offset),
      );
      if (found.length === 0)
        throw new InsideoutError(
          'USAGE',
          `There is no dead letter of ${topic} at partition ${partition}, offset ${offset}.`,
          { hint: 'See `insideout dlq list`.' },
        );
      const shown = found.map((l) => ({
        ...summary(l),
        headers: Object.fromEntries(
          Object.entries(l.headers).map(([name, value]) => [name, value.toString()]),
        ),
        key: l.key?.toString('base64') ?? null,
        value: l.value?.toString('base64') ?? null,
      }));
      report(globals(self).json, shown, () => JSON.stringify(shown, null, 2));
    });
  return command;
}

async function read(command: Command, topic: string | undefined): Promise<DeadLetter[]> {
  const loaded = await config(command);
  const log = await openExistingLog(loaded);
  try {
    const topics = topic === undefined ? withOwnDeadLetters(loaded, await log.topics()) : [topic];
    const letters: DeadLetter[][] = [];
    for (const t of topics) letters.push(await readDeadLetters(log, t));
    // There may be more of them than a call takes arguments.
    return letters.flat();
  } finally {
    await log.close();
  }
}

const summary = ({ key: _key, value: _value, headers: _headers, ...rest }: DeadLetter) => rest;
