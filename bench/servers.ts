import './environment.ts';
import { type RunningPostgres, startPostgres } from '../stack/postgres.ts';
import { startStack, stopStack, wipeStack } from '../stack/stack.ts';
import { type ServerName, servers as table } from '../stack/versions.ts';

export const kafkaAddress = `127.0.0.1:${table.kafka.port}`;
export const registryAddress = `http://127.0.0.1:${table.registry.port}`;
/** The same registry as the API that Confluent's clients speak. */
export const registryUrl = `${registryAddress}/apis/ccompat/v7`;
export const redisUrl = `redis://127.0.0.1:${table.redis.port}`;
export const cassandraAddress = {
  contactPoint: `127.0.0.1:${table.cassandra.port}`,
  dataCenter: 'datacenter1',
};

export interface Servers {
  /** Throws when the case did not ask for it. */
  readonly postgres: RunningPostgres;
  stop(): Promise<void>;
}

/** As an operator would set it: a checkpoint in the middle of a run would be measured with it. */
const postgresSettings = {
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '30min',
  logical_decoding_work_mem: '64MB',
  autovacuum: 'off',
};

/** Starts what a case needs, and nothing else; `stop` removes what it started with its data. */
export async function startServers(names: readonly ServerName[]): Promise<Servers> {
  const others = names.filter((name) => name !== 'postgres');
  // What a run that was killed left behind would be taken for this run's records.
  await stopStack(others);
  wipeStack(others);
  const started = others.length > 0 ? await startStack(others) : [];
  if (started.length < others.length) {
    await stopStack(started);
    throw new Error('another benchmark is running, or something else answers on its ports; wait, or stop it');
  }
  const postgres = names.includes('postgres') ? await startPostgres({ settings: postgresSettings }) : null;
  return {
    get postgres() {
      if (!postgres) throw new Error('this case has no Postgres');
      return postgres;
    },
    stop: async () => {
      await postgres?.stop();
      await stopStack(started);
      wipeStack(started);
    },
  };
}
