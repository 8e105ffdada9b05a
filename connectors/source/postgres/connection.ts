import type pg from 'pg';
import type { PostgresSourceOptions } from './options.ts';
import { type Attempt, classifyPostgres } from './pg-errors.ts';

/**
 * Settings that fix how Postgres prints values, so that snapshot, stream and reselect all give the same text
 * whatever the server's or the role's defaults are.
 */
const textSettings =
  '-c datestyle=ISO,YMD -c timezone=UTC -c intervalstyle=postgres -c extra_float_digits=3 -c bytea_output=hex -c lc_monetary=C';

/** Every value as the server's own text; the driver's parsers would turn timestamps into Date. */
const rawTypes = { getTypeParser: () => (text: string) => text } as unknown as pg.CustomTypesConfig;

export function clientConfig(options: Pick<PostgresSourceOptions, 'url'>): pg.ClientConfig {
  return {
    connectionString: options.url,
    options: textSettings,
    application_name: 'insideout',
    types: rawTypes,
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
  };
}

/** Runs `work` with a connection of its own; every failure comes out classified. */
export async function withClient<T>(
  options: Pick<PostgresSourceOptions, 'url' | 'slot'>,
  doing: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connect(options, doing);
  try {
    return await work(client);
  } catch (error) {
    throw classifyPostgres(error, attempt(options, doing));
  } finally {
    await client.end().catch(() => {});
  }
}

/** A connected client that the caller ends. A broken idle connection shows up at the next query, not as a crash. */
export async function connect(
  options: Pick<PostgresSourceOptions, 'url' | 'slot'>,
  doing: string,
  replication = false,
): Promise<pg.Client> {
  const config = clientConfig(options);
  // Most commands load this file and ask Postgres nothing.
  const { default: pg } = await import('pg');
  const client = new pg.Client(
    replication ? ({ ...config, replication: 'database' } as pg.ClientConfig) : config,
  );
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw classifyPostgres(error, { ...attempt(options, doing), connecting: true });
  }
}

export function attempt(options: Pick<PostgresSourceOptions, 'url' | 'slot'>, doing: string): Attempt {
  try {
    const url = new URL(options.url);
    return { doing, host: url.host, user: decodeURIComponent(url.username), slot: options.slot };
  } catch {
    return { doing, host: '(unreadable url)', user: '', slot: options.slot };
  }
}

/** The database of a url; without one it is that of the user's name. */
export function databaseOf(url: string): string {
  const { pathname, username } = new URL(url);
  return decodeURIComponent(pathname.slice(1) || username);
}

/** A quoted SQL identifier. */
export const quoteIdent = (name: string): string => `"${name.replaceAll('"', '""')}"`;
/** A quoted SQL string. */
export const quoteText = (text: string): string => `'${text.replaceAll("'", "''")}'`;
