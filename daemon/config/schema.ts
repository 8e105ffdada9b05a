import { z } from 'zod';
import { columnTypes } from '../../core/column.ts';

/** The shape of a config. Every object is strict: an unknown key is more often a typing mistake than a wish. */
const identifier = z
  .string()
  .regex(/^[a-z_][a-z0-9_]{0,39}$/, 'use lower-case letters, digits and underscores, at most 40');
const slotName = z
  .string()
  .regex(/^[a-z0-9_]{1,63}$/, 'use lower-case letters, digits and underscores, at most 63');
const tableName = z.string().regex(/^[^.]+\..+$/, 'is written schema.table');
const positive = z.number().int().positive();
/** A secret that came out of the environment empty is the usual mistake, so it gets its own words. */
const fromEnvironment = (what: string) =>
  z
    .string({ error: `is missing: set the environment variable that holds ${what}` })
    .min(1, { error: `is empty: set the environment variable that holds ${what}`, abort: true });

export const postgresSchema = z.strictObject({
  kind: z.literal('postgres'),
  url: fromEnvironment('the database url').regex(/^postgres(ql)?:\/\//, 'must begin with postgres://'),
  tables: z.array(tableName).min(1).optional(),
  publication: z.string().min(1).optional(),
  slot: slotName.optional(),
  partitions: positive.max(1000).optional(),
  snapshot: z.enum(['initial', 'never']).optional(),
  truncate: z.enum(['propagate', 'ignore']).optional(),
  retention: z.record(tableName, positive).optional(),
  envelope: z.enum(['none', 'debezium']).optional(),
  heartbeatMs: positive.optional(),
});

const registrySchema = z.strictObject({
  url: z.url(),
  username: z.string().optional(),
  password: z.string().optional(),
});

export const kafkaSchema = z.strictObject({
  kind: z.literal('kafka'),
  brokers: z.array(z.string().regex(/^.+:\d+$/, 'is written host:port')).min(1),
  clientId: z.string().optional(),
  registry: registrySchema,
  ssl: z.boolean().optional(),
  sasl: z
    .strictObject({
      mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
      username: z.string(),
      password: fromEnvironment('the password'),
    })
    .optional(),
  replicationFactor: positive.optional(),
  compression: z.enum(['none', 'gzip']).optional(),
});

export const embeddedSchema = z.strictObject({
  kind: z.literal('embedded'),
  path: z.string().min(1).default('.insideout/log.db'),
});

export const sqliteSchema = z.strictObject({ kind: z.literal('sqlite'), path: z.string().min(1) });

export const redisSchema = z.strictObject({
  kind: z.literal('redis'),
  url: fromEnvironment('the Redis url').regex(/^rediss?:\/\//, 'must begin with redis:// or rediss://'),
  prefix: z.string().optional(),
  rows: z.enum(['string', 'hash']).optional(),
});

export const cassandraSchema = z.strictObject({
  kind: z.literal('cassandra'),
  contactPoints: z.array(z.string().min(1)).min(1),
  dataCenter: z.string().min(1),
  keyspace: identifier,
  username: z.string().optional(),
  password: z.string().optional(),
  replicationFactor: positive.optional(),
  batchRows: positive.optional(),
  batchBytes: positive.optional(),
});

export const httpSchema = z.union([
  z.literal(false),
  z.strictObject({
    host: z.string().default('127.0.0.1'),
    port: z.number().int().min(0).max(65_535).default(9464),
  }),
]);

const columns = z.record(z.string(), z.enum(columnTypes));

export const viewSchema = z.strictObject({
  name: z.string(),
  from: z.union([
    z.string().regex(/^[A-Za-z0-9._-]{1,249}$/, 'is a topic name: <source>.<schema>.<table>'),
    z.strictObject({ view: z.string() }),
  ]),
  store: z.string(),
  columns: columns.refine((c) => Object.keys(c).length > 0, 'is empty: declare the columns to store'),
  key: z.union([z.array(z.string()), z.record(z.string(), z.string())]),
  reads: columns.optional(),
  row: z
    .custom<(...args: never[]) => unknown>(
      (f) => typeof f === 'function',
      'must be a function; in YAML leave it out',
    )
    .optional(),
  publish: z.boolean().optional(),
  ttl: z.strictObject({ column: z.string(), ms: positive }).optional(),
  effects: z
    .strictObject({
      from: z.enum(['now', 'start']).optional(),
      run: z.custom<(...args: never[]) => unknown>((f) => typeof f === 'function', 'must be a function'),
    })
    .optional(),
  version: z.union([z.string(), z.number()]).optional(),
});

/** How views are built anew. */
export const rebuildSchema = z.strictObject({
  maxRecordsPerSecond: positive.optional(),
  maxLag: z.number().int().min(0).default(1_000),
  steadyMs: z.number().int().min(0).default(2_000),
  graceMs: z.number().int().min(0).default(3_600_000),
});

const replacement = z.union([z.string(), z.number(), z.boolean(), z.null()]);

export const subjectSchema = z.strictObject({
  source: z.string(),
  is: z.array(z.string()).min(1),
  anonymise: z.record(z.string(), z.record(z.string(), replacement)).optional(),
});

export const erasureSchema = z.strictObject({
  key: z.string().min(1).default('.insideout/erasure-key.pem'),
  shred: z.string().min(1).optional(),
});

export const deletesSchema = z.strictObject({
  tokens: z
    .record(
      identifier,
      fromEnvironment('the token').regex(/^\S{16,}$/, 'must be 16 characters or more without spaces'),
    )
    .refine((tokens) => Object.keys(tokens).length > 0, 'is empty: leave `deletes` out, or give a token'),
});

export const configSchema = z.strictObject({
  namespace: identifier.default('insideout'),
  sources: z.record(identifier, postgresSchema).default({}),
  log: z.discriminatedUnion('kind', [kafkaSchema, embeddedSchema]),
  stores: z
    .record(identifier, z.discriminatedUnion('kind', [sqliteSchema, redisSchema, cassandraSchema]))
    .default({}),
  views: z.array(viewSchema).default([]),
  http: httpSchema.default({ host: '127.0.0.1', port: 9464 }),
  subjects: z.record(identifier, subjectSchema).default({}),
  erasure: erasureSchema.default({ key: '.insideout/erasure-key.pem' }),
  deletes: deletesSchema.optional(),
  rebuild: rebuildSchema.default({ maxLag: 1_000, steadyMs: 2_000, graceMs: 3_600_000 }),
});

export type ParsedConfig = z.output<typeof configSchema>;
