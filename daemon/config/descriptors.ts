import type { z } from 'zod';
import type { SubjectDeclaration } from '../../deletes/subject.ts';
import type { ViewDeclaration } from '../../materializer/view-definition.ts';
import type {
  cassandraSchema,
  deletesSchema,
  embeddedSchema,
  erasureSchema,
  httpSchema,
  kafkaSchema,
  postgresSchema,
  rebuildSchema,
  redisSchema,
  sqliteSchema,
} from './schema.ts';

type Options<S extends z.ZodType> = Omit<z.input<S>, 'kind'>;

export type PostgresConfig = z.input<typeof postgresSchema>;
export type LogConfig = z.input<typeof kafkaSchema> | z.input<typeof embeddedSchema>;
export type StoreConfig =
  | z.input<typeof sqliteSchema>
  | z.input<typeof redisSchema>
  | z.input<typeof cassandraSchema>;

/** What `insideout.config.ts` exports. */
export interface Config {
  /** Name to source; the name is the prefix of its topics. */
  readonly sources?: Readonly<Record<string, PostgresConfig>>;
  readonly log: LogConfig;
  /** Name to store. */
  readonly stores?: Readonly<Record<string, StoreConfig>>;
  readonly views?: readonly ViewDeclaration[];
  readonly http?: z.input<typeof httpSchema>;
  /** Kinds of persons or entities that can be erased, by name. */
  readonly subjects?: Readonly<Record<string, SubjectDeclaration>>;
  readonly erasure?: z.input<typeof erasureSchema>;
  /** Deletes of what did not come from a source; off unless configured. */
  readonly deletes?: z.input<typeof deletesSchema>;
  readonly rebuild?: z.input<typeof rebuildSchema>;
  /** First part of the names of view topics, groups and the topic of generations. Default `insideout`. */
  readonly namespace?: string;
}

/** Types a config; checks nothing, because the loader lists all problems at once. */
export const defineConfig = (config: Config): Config => config;

/** A Postgres database as a source. */
export const postgres = (options: Options<typeof postgresSchema>): PostgresConfig => ({
  kind: 'postgres',
  ...options,
});

/** Kafka as the Log, with a Confluent-compatible schema registry. */
export const kafka = (options: Options<typeof kafkaSchema>): z.input<typeof kafkaSchema> => ({
  kind: 'kafka',
  ...options,
});

/** A SQLite file as the Log: for one machine, with nothing to install. */
export const embedded = (options: Options<typeof embeddedSchema> = {}): z.input<typeof embeddedSchema> => ({
  kind: 'embedded',
  ...options,
});

export const sqlite = (options: Options<typeof sqliteSchema>): z.input<typeof sqliteSchema> => ({
  kind: 'sqlite',
  ...options,
});
export const redis = (options: Options<typeof redisSchema>): z.input<typeof redisSchema> => ({
  kind: 'redis',
  ...options,
});
export const cassandra = (options: Options<typeof cassandraSchema>): z.input<typeof cassandraSchema> => ({
  kind: 'cassandra',
  ...options,
});
