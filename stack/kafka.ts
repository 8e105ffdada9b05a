import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { projectFolder, stackPath } from './folders.ts';
import { mavenFolder } from './maven.ts';
import { startDetached } from './processes.ts';
import type { Server } from './server.ts';
import { kafkaControllerPort, servers } from './versions.ts';

const { port, version } = servers.kafka;
const address = `127.0.0.1:${port}`;

/** One broker that is its own controller (KRaft). */
export const kafka: Server = {
  name: 'kafka',
  address,
  start: async (log) => {
    const jars = join(await mavenFolder('kafka', version), '*');
    const data = stackPath('data', 'kafka');
    const properties = join(data, 'server.properties');
    writeFileSync(properties, settings(join(data, 'logs')));
    const logging = `-Dlog4j2.configurationFile=${join(projectFolder, 'stack', 'kafka', 'log4j2.yaml')}`;
    if (!existsSync(join(data, 'logs', 'meta.properties')))
      await promisify(execFile)('java', [
        logging,
        '-cp',
        jars,
        'kafka.tools.StorageTool',
        'format',
        '-t',
        'aW5zaWRlb3V0LXN0YWNrMQ',
        '-c',
        properties,
      ]);
    return startDetached(
      'java',
      ['-Xms512m', '-Xmx768m', '-XX:+UseSerialGC', logging, '-cp', jars, 'kafka.Kafka', properties],
      { log },
    );
  },
  probe: async () => {
    const admin = new Kafka({
      brokers: [address],
      logLevel: logLevel.NOTHING,
      retry: { retries: 0 },
    }).admin();
    try {
      await admin.connect();
      await admin.listTopics();
      await admin.describeCluster();
    } finally {
      await admin.disconnect();
    }
  },
};

const settings = (logs: string): string => `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${kafkaControllerPort}
listeners=PLAINTEXT://${address},CONTROLLER://127.0.0.1:${kafkaControllerPort}
advertised.listeners=PLAINTEXT://${address}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=${logs}
num.partitions=4
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
message.max.bytes=8388608
log.retention.hours=-1
log.cleaner.backoff.ms=1000
`;
