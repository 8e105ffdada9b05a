import type { Case } from './case.ts';
import { sinkCassandra } from './sink-cassandra.ts';
import { sinkRedis } from './sink-redis.ts';
import { sinkSqlite } from './sink-sqlite.ts';
import { sourceCatchup } from './source-catchup.ts';
import { sourceSnapshot } from './source-snapshot.ts';

export const cases: ReadonlyMap<string, Case> = new Map(
  [sourceSnapshot, sourceCatchup, sinkSqlite, sinkRedis, sinkCassandra].map((one) => [one.name, one]),
);
