import { setTimeout as wait } from 'node:timers/promises';
import { isInsideoutError } from '../../../core/errors.ts';
import type { RedisConnection } from './redis-connection.ts';

const pollMs = 50;
/** A server forks one child at a time, and may have to finish another first. */
const patienceMs = 10 * 60_000;

/**
 * What `ViewStore.scrub` says of a Redis server. Rows leave its memory as they are deleted; its files keep them
 * until they are written anew, which it is told to do, and waited for. Replicas have files of their own.
 */
export async function scrubRedis(redis: RedisConnection): Promise<string | null> {
  const sentences = [await ownFiles(redis), await replicas(redis)].filter((text) => text !== null);
  return sentences.length === 0 ? null : sentences.join(' ');
}

async function ownFiles(redis: RedisConnection): Promise<string | null> {
  const settings = await unlessRefused(async () => ({
    append: (await setting(redis, 'appendonly')) === 'yes',
    save: (await setting(redis, 'save')) !== '',
  }));
  if (settings === null)
    return "Redis may keep deleted rows in its append-only file and its snapshots until it writes them anew, and does not tell the store's user whether it has any: run BGREWRITEAOF and BGSAVE as an administrator, and look after backups.";
  // A snapshot may be there though none is configured: it was loaded, or made for a replica or by hand.
  const info = await persistence(redis);
  const snapshot =
    settings.save ||
    Number(info.rdb_last_bgsave_time_sec ?? -1) >= 0 ||
    Number(info.rdb_last_load_keys_loaded ?? 0) > 0;
  const failed: string[] = [];
  if (settings.append && !(await rewritten(redis, 'BGREWRITEAOF', 'aof_last_bgrewrite_status')))
    failed.push('BGREWRITEAOF');
  if (snapshot && !(await rewritten(redis, 'BGSAVE', 'rdb_last_bgsave_status'))) failed.push('BGSAVE');
  if (failed.length === 0) return null;
  return `Redis may keep deleted rows in its files until it writes them anew, and ${failed.join(' and ')} did not succeed: look at the server's log, and run ${failed.length === 1 ? 'it' : 'them'} as an administrator.`;
}

/** True when the file was begun after this was called, and is whole. */
async function rewritten(redis: RedisConnection, command: string, status: string): Promise<boolean> {
  const deadline = Date.now() + patienceMs;
  do {
    if (!(await idle(redis, deadline))) return false;
    if ((await unlessRefused(() => redis.send(command))) !== null)
      return (await idle(redis, deadline)) && (await persistence(redis))[status] === 'ok';
    // Somebody else's child may have been faster; the right to the command may also be missing.
    await wait(pollMs);
  } while (await working(redis));
  return false;
}

async function idle(redis: RedisConnection, deadline: number): Promise<boolean> {
  while (await working(redis)) {
    if (Date.now() > deadline) return false;
    await wait(pollMs);
  }
  return true;
}

async function working(redis: RedisConnection): Promise<boolean> {
  const info = await persistence(redis);
  return ['rdb_bgsave_in_progress', 'aof_rewrite_in_progress', 'aof_rewrite_scheduled'].some(
    (field) => info[field] === '1',
  );
}

async function replicas(redis: RedisConnection): Promise<string | null> {
  const info = await section(redis, 'replication');
  const names = Object.entries(info)
    .filter(([field]) => /^slave\d+$/.test(field))
    .map(([, text]) => {
      const { ip, port } = Object.fromEntries(text.split(',').map((pair) => pair.split('=')));
      return `${ip}:${port}`;
    });
  if (names.length === 0) return null;
  return `Replicas of Redis (${names.join(', ')}) may keep deleted rows in files of their own until they write them anew: run BGREWRITEAOF and BGSAVE on each.`;
}

const persistence = (redis: RedisConnection) => section(redis, 'persistence');

/** https://redis.io/docs/latest/commands/info/ */
async function section(redis: RedisConnection, name: string): Promise<Record<string, string>> {
  const text = (await redis.send('INFO', [name])) as string;
  const lines = text.split('\r\n').filter((line) => line.includes(':'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
}

async function setting(redis: RedisConnection, name: string): Promise<string> {
  const [, value] = (await redis.send('CONFIG', ['GET', name])) as [string, string];
  return value ?? '';
}

/** Null when the server has no such command, or does not grant it. */
async function unlessRefused<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (isInsideoutError(error, 'STORE_REFUSED')) return null;
    throw error;
  }
}
