import pg from 'pg';
import { servers, uniqueName } from './servers.ts';

export interface TestDatabase {
  readonly name: string;
  readonly url: string;
  readonly client: pg.Client;
  /** Removes its slots, publications and the database itself. */
  drop(): Promise<void>;
}

/** A database of its own on the stack's server, so that tests share no slot, publication or table. */
export async function createDatabase(server = servers().postgres): Promise<TestDatabase> {
  const name = uniqueName('db').toLowerCase();
  const admin = new pg.Client({ connectionString: server });
  await admin.connect();
  await admin.query(`create database ${name}`);
  const url = server.replace(/\/[^/]*$/, `/${name}`);
  // Values as the server's own text, to compare them with what arrives.
  const types = { getTypeParser: () => (text: string) => text } as unknown as pg.CustomTypesConfig;
  const client = new pg.Client({ connectionString: url, types });
  client.on('error', () => {});
  await client.connect();
  await client.query(`set timezone = 'UTC'`);
  return {
    name,
    url,
    client,
    drop: async () => {
      await client.end().catch(() => {});
      await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
      for (let tries = 0; tries < 50; tries++) {
        const { rows } = await admin.query(
          'select slot_name, active from pg_replication_slots where database = $1',
          [name],
        );
        if (rows.length === 0) break;
        for (const { slot_name, active } of rows)
          if (!active) await admin.query('select pg_drop_replication_slot($1)', [slot_name]);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await admin.query(`drop database if exists ${name} with (force)`);
      await admin.end();
    },
  };
}
