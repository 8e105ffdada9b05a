import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../stack/processes.ts';
import { benchFolder } from '../environment.ts';
import { kafkaAddress, registryAddress } from '../servers.ts';
import { type Jars, jarsOf, peersFolder } from './jars.ts';

export type Format = 'avro' | 'json' | 'json-schema';

export const formatNames: Readonly<Record<Format, string>> = {
  avro: "Avro by Apicurio's 2.6.8 converter",
  json: 'JSON',
  'json-schema': 'JSON with schemas',
};

export type Properties = Readonly<Record<string, string | number | boolean>>;

export interface Worker {
  readonly pid: number;
  readonly startedAt: number;
  /** The file with what it prints. */
  readonly log: string;
  stop(): Promise<void>;
}

/**
 * A folder for a standalone worker of Kafka Connect 4.1, whose offsets live through its restarts. The folder of
 * plugins holds only what this connector needs, as a careful operator would have it.
 */
export class ConnectFolder {
  readonly #folder: string;
  readonly #format: Format;
  readonly #worker: string;

  private constructor(folder: string, options: { format: Format; worker: string }) {
    this.#folder = folder;
    this.#format = options.format;
    this.#worker = options.worker;
  }

  static async make(plugin: Jars, format: Format): Promise<ConnectFolder> {
    mkdirSync(join(benchFolder, 'work'), { recursive: true });
    const folder = mkdtempSync(join(benchFolder, 'work', 'connect-'));
    const plugins: Jars[] = format === 'avro' ? [plugin, 'apicurio'] : [plugin];
    for (const name of plugins)
      cpSync(await jarsOf(name), join(folder, 'plugins', name), { recursive: true });
    return new ConnectFolder(folder, { format, worker: await jarsOf('connect') });
  }

  async start(connector: Properties, producer: Properties): Promise<Worker> {
    const worker = join(this.#folder, 'worker.properties');
    const file = join(this.#folder, 'connector.properties');
    writeFileSync(worker, text({ ...(await this.#settings()), ...producer }));
    writeFileSync(file, text(connector));
    const args = [
      '-Xms256m',
      '-Xmx512m',
      '-XX:+UseG1GC',
      '-XX:MaxGCPauseMillis=20',
      '-Djava.awt.headless=true',
    ];
    args.push('-XX:InitiatingHeapOccupancyPercent=35');
    args.push(
      `-Dlog4j2.configurationFile=${join(peersFolder, 'log4j2.xml')}`,
      '-cp',
      join(this.#worker, '*'),
    );
    args.push('org.apache.kafka.connect.cli.ConnectStandalone', worker, file);
    return startJava(args, join(this.#folder, 'output.log'));
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #settings(): Promise<Properties> {
    return {
      'bootstrap.servers': kafkaAddress,
      listeners: `http://127.0.0.1:${await freePort()}`,
      'offset.storage.file.filename': join(this.#folder, 'offsets.dat'),
      'offset.flush.interval.ms': 10_000,
      'plugin.path': join(this.#folder, 'plugins'),
      // The converter's jar says nothing of what is in it, so that it has to be looked through.
      'plugin.discovery': this.#format === 'avro' ? 'hybrid_warn' : 'service_load',
      'connector.client.config.override.policy': 'All',
      'consumer.max.poll.records': 10_000,
      'consumer.fetch.max.bytes': 52_428_800,
      'consumer.max.partition.fetch.bytes': 8_388_608,
      ...converters(this.#format),
    };
  }
}

/** A Java process that is being measured. */
export function startJava(args: readonly string[], log: string): Worker {
  const output = openSync(log, 'a');
  const startedAt = performance.now();
  const child = spawn('java', [...args], { stdio: ['ignore', output, output] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  if (child.pid === undefined) throw new Error('java could not be started; is a JDK installed?');
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  return {
    pid: child.pid,
    startedAt,
    log,
    stop: async () => {
      child.kill('SIGTERM');
      const patience = setTimeout(kill, 30_000);
      await exited;
      clearTimeout(patience);
      process.off('exit', kill);
    },
  };
}

function converters(format: Format): Properties {
  const settings: Record<string, string | number | boolean> = {};
  for (const part of ['key', 'value']) {
    const name = `${part}.converter`;
    if (format === 'avro') {
      settings[name] = 'io.apicurio.registry.utils.converter.AvroConverter';
      settings[`${name}.apicurio.registry.url`] = `${registryAddress}/apis/registry/v2`;
      settings[`${name}.apicurio.registry.auto-register`] = true;
      settings[`${name}.apicurio.registry.find-latest`] = true;
      settings[`${name}.apicurio.registry.headers.enabled`] = false;
      settings[`${name}.apicurio.registry.as-confluent`] = true;
      settings[`${name}.apicurio.registry.use-id`] = 'contentId';
    } else {
      settings[name] = 'org.apache.kafka.connect.json.JsonConverter';
      settings[`${name}.schemas.enable`] = format === 'json-schema';
    }
  }
  return settings;
}

const text = (properties: Properties): string =>
  Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
