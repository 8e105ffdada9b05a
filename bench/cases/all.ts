import type { Case } from './case.ts';
import { erase } from './erase.ts';
import { footprint } from './footprint.ts';
import { logEmbedded } from './log-embedded.ts';
import { rebuild } from './rebuild.ts';
import { rebuildBlue } from './rebuild-blue.ts';
import { rebuildChain } from './rebuild-chain.ts';
import { sinkCassandra } from './sink-cassandra.ts';
import { sinkRedis } from './sink-redis.ts';
import { sinkSqlite } from './sink-sqlite.ts';
import { sourceCatchup } from './source-catchup.ts';
import { sourceLatency } from './source-latency.ts';
import { sourceSnapshot } from './source-snapshot.ts';

const all: readonly Case[] = [
  sourceSnapshot,
  sourceCatchup,
  sourceLatency,
  logEmbedded,
  sinkSqlite,
  sinkRedis,
  sinkCassandra,
  rebuild,
  rebuildChain,
  rebuildBlue,
  erase,
  footprint,
];

export const cases: ReadonlyMap<string, Case> = new Map(all.map((one) => [one.name, one]));
