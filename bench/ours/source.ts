import type { Config } from '../../daemon/config/descriptors.ts';
import { countUntil, type Measured } from '../measure/counted.ts';
import { kafkaAddress, registryUrl } from '../servers.ts';
import { dropReplication, untilActive } from '../workload/slots.ts';
import type { Topics } from '../workload/topics.ts';
import { Workplace } from './daemon.ts';

export interface SourceRun {
  /** Of the source; the topic is `<name>.public.orders`. */
  readonly name: string;
  readonly url: string;
  readonly records: number;
  readonly topics: Topics;
  readonly profile: string | null;
}

export const topicOf = (name: string): string => `${name}.public.orders`;

export const kafkaLog = (): Config['log'] => ({
  kind: 'kafka',
  brokers: [kafkaAddress],
  registry: { url: registryUrl },
});

export const sourceConfig = (
  url: string,
  snapshot: 'initial' | 'never',
): NonNullable<Config['sources']>[string] => ({
  kind: 'postgres',
  url,
  tables: ['public.orders'],
  snapshot,
});

/** From the start of the process until all rows of the table are in the topic. The topic stays. */
export async function runSnapshot(options: SourceRun): Promise<Measured> {
  const { name, url, topics, records, profile } = options;
  const place = new Workplace(
    { sources: { [name]: sourceConfig(url, 'initial') }, log: kafkaLog() },
    { profile },
  );
  const daemon = place.start('source', 'run', '--http-port', 'off');
  const measured = await countUntil({
    ...daemon,
    count: () => topics.records(topicOf(name)),
    target: records,
  });
  await daemon.stop();
  place.remove();
  await dropReplication(url);
  return measured;
}

/** The source is stopped while `change` writes, and started again. The topic stays. */
export async function runCatchup(options: SourceRun & { change(): Promise<void> }): Promise<Measured> {
  const { name, url, topics, records, profile } = options;
  const config: Config = { sources: { [name]: sourceConfig(url, 'never') }, log: kafkaLog() };
  const before = new Workplace(config, { profile: null });
  const idle = before.start('source', 'run', '--http-port', 'off');
  await untilActive(url, `insideout_${name}`);
  await idle.stop();
  before.remove();
  await options.change();
  const place = new Workplace(config, { profile });
  const base = await topics.records(topicOf(name));
  const daemon = place.start('source', 'run', '--http-port', 'off');
  const measured = await countUntil({
    ...daemon,
    count: () => topics.records(topicOf(name)),
    base,
    target: records,
  });
  await daemon.stop();
  place.remove();
  await dropReplication(url);
  return measured;
}
