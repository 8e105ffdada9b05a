import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Side } from '../cases/case.ts';
import { benchFolder } from '../environment.ts';
import { countUntil } from '../measure/counted.ts';
import { kafkaAddress } from '../servers.ts';
import { startJava } from './connect.ts';
import { jarsOf, peersFolder } from './jars.ts';

/** From the start of the process until a GlobalKTable in RocksDB can be queried. */
export async function globalTable(topic: string, records: number): Promise<Side> {
  const jars = join(await jarsOf('streams'), '*');
  mkdirSync(join(benchFolder, 'work'), { recursive: true });
  const folder = mkdtempSync(join(benchFolder, 'work', 'streams-'));
  await promisify(execFile)('javac', ['-cp', jars, '-d', folder, join(peersFolder, 'GlobalTable.java')]);
  const output = join(folder, 'output.log');
  const logging = `-Dlog4j2.configurationFile=${join(peersFolder, 'log4j2.xml')}`;
  const args = ['-Xms256m', '-Xmx2g', logging, '-cp', `${jars}:${folder}`, 'GlobalTable'];
  args.push(kafkaAddress, topic, join(folder, 'state'), `bench-${process.pid}-${Date.now()}`);
  const worker = startJava(args, output);
  const measured = await countUntil({
    ...worker,
    // It tells only that it has everything.
    count: async () => (/^ready \d+$/m.test(readFileSync(output, 'utf8')) ? records : 0),
    target: records,
  });
  await worker.stop();
  rmSync(folder, { recursive: true, force: true });
  return { name: 'Kafka Streams 4.1, GlobalKTable in RocksDB', measured };
}
