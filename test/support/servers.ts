import { servers as table } from '../../stack/versions.ts';

/** Where the stack's servers answer. */
export const servers = () => ({
  postgres: `postgres://postgres@127.0.0.1:${table.postgres.port}/postgres`,
  kafka: `127.0.0.1:${table.kafka.port}`,
  registry: `http://127.0.0.1:${table.registry.port}/apis/ccompat/v7`,
  redis: `redis://127.0.0.1:${table.redis.port}`,
  cassandra: { contactPoint: `127.0.0.1:${table.cassandra.port}`, dataCenter: 'datacenter1' },
});

let names = 0;
/** A name that no other test has: letters, digits and underscores. */
export const uniqueName = (prefix: string): string =>
  `${prefix}_${process.pid.toString(36)}${Date.now().toString(36)}_${names++}`;
