import type pg from 'pg';
import { InsideoutError, isInsideoutError } from '../../../core/errors.ts';
import { registerTruncate } from '../../../log/avro/truncate-record.ts';
import { closed } from '../../../log/closed.ts';
import type { Log, TopicSpec } from '../../../log/log.ts';
import { type KeyColumn, keySchema, keyShape, recordSchema, topicOf } from './avro-schema.ts';
import { databaseOf } from './connection.ts';
import { EnvelopeTail } from './envelope.ts';
import { defaultPartitions, type EnvelopeKind, type PostgresSourceOptions } from './options.ts';
import { type EncodedColumn, TableEncoder } from './table-encoder.ts';
import { TypeCatalog } from './types.ts';

/** One version of a table's columns, as a Relation message or the catalog gives it. */
export interface TableVersion {
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly VersionColumn[];
}

export interface VersionColumn {
  readonly name: string;
  readonly typeOid: number;
  /** pg_attribute.atttypmod: length, precision and scale; -1 when there is none. */
  readonly typmod: number;
  readonly key: boolean;
}

/** A table version that is ready to be encoded: its topic exists and its schemas are registered. */
export interface PreparedTable {
  readonly schema: string;
  readonly table: string;
  readonly topic: string;
  readonly partitions: number;
  readonly encoder: TableEncoder;
  /** See `keyShape` of avro-schema.ts. */
  readonly keyShape: string;
  /** Why nothing of this table is captured; null when all is well. */
  readonly stopped: InsideoutError | null;
}

interface Named {
  readonly schema: string;
  readonly table: string;
}

/** `schema.table`, the name used in the config, in errors and in the state. */
export const qualifiedName = (t: Named): string => `${t.schema}.${t.table}`;

/** Kafka takes seconds to create the topics of hundreds of tables. */
export const topicsAtOnce = 50;

interface TablesOptions {
  readonly source: string;
  readonly partitions: number;
  readonly envelope: EnvelopeKind;
  /** Name of the database, which envelopes tell. */
  readonly database: string;
}

/** Prepares table versions, each once. */
export class Tables {
  readonly types = new TypeCatalog();
  readonly #options: TablesOptions;
  readonly #log: Log;
  readonly #retention = new Map<string, number>();
  readonly #prepared = new Map<string, PreparedTable>();
  readonly #partitionCounts = new Map<string, number>();
  readonly #creating = new Map<string, Promise<void>>();
  #closed = false;
  #truncateId: number | null = null;

  constructor(options: PostgresSourceOptions, log: Log) {
    this.#options = {
      source: options.name,
      partitions: options.partitions ?? defaultPartitions,
      envelope: options.envelope ?? 'none',
      database: databaseOf(options.url),
    };
    for (const [name, ms] of Object.entries(options.retention ?? {})) {
      const dot = name.indexOf('.');
      this.#retention.set(topicOf(options.name, name.slice(0, dot), name.slice(dot + 1)), ms);
    }
    this.#log = log;
  }

  /**
   * The prepared form of a version. A schema that the registry refuses gives a table that is stopped, because
   * only that table may suffer; every other failure throws.
   */
  async prepare(version: TableVersion, client: () => Promise<pg.Client>): Promise<PreparedTable> {
    const signature = JSON.stringify(version);
    const known = this.#prepared.get(signature);
    if (known) return known;
    await this.loadTypes([version], client);
    const columns = version.columns.map((c) => ({ ...c, type: this.types.get(c.typeOid)! }));
    const topic = topicOf(this.#options.source, version.schema, version.table);
    const [registered] = await Promise.all([
      this.#register(topic, version, columns),
      this.ensureTopics([version]),
    ]);
    const prepared: PreparedTable = {
      schema: version.schema,
      table: version.table,
      topic,
      partitions: this.#partitionCounts.get(topic) ?? this.#options.partitions,
      ...registered,
    };
    // A refusal is asked again at the next start, when the operator may have settled it.
    this.#prepared.set(signature, prepared);
    return prepared;
  }

  /** What is known of the columns' types, of many tables by one question; `prepare` asks for what is missing. */
  async loadTypes(versions: readonly TableVersion[], client: () => Promise<pg.Client>): Promise<void> {
    const oids = versions.flatMap((version) => version.columns.map((c) => c.typeOid));
    if (oids.some((oid) => !this.types.get(oid))) await this.types.load(await client(), oids);
  }

  /** Schema id of truncate records, registered when first needed. */
  async truncateSchemaId(): Promise<number> {
    this.#truncateId ??= await registerTruncate(this.#log.schemas);
    return this.#truncateId;
  }

  async #register(
    topic: string,
    { schema, table }: TableVersion,
    columns: readonly (EncodedColumn & KeyColumn)[],
  ): Promise<Pick<PreparedTable, 'encoder' | 'keyShape' | 'stopped'>> {
    const ofKey = columns.filter((c) => c.key);
    const { source, database, envelope } = this.#options;
    const tail = envelope === 'debezium' ? new EnvelopeTail({ source, database, schema, table }) : null;
    try {
      const { schemas } = this.#log;
      const names = new Set(ofKey.map((c) => c.name));
      const [keyId, valueId] = await Promise.all([
        schemas.register(`${topic}-key`, keySchema(topic, ofKey)),
        schemas.register(`${topic}-value`, recordSchema(topic, columns, { key: names, envelope })),
      ]);
      return {
        encoder: new TableEncoder(columns, { keyId, valueId }, tail),
        keyShape: keyShape(keyId, ofKey),
        stopped: null,
      };
    } catch (error) {
      if (!isInsideoutError(error, 'SCHEMA_INCOMPATIBLE')) throw error;
      return {
        encoder: new TableEncoder(columns, { keyId: 0, valueId: 0 }),
        keyShape: '',
        stopped: untilRestart(error),
      };
    }
  }

  /**
   * The topics of these tables. One that exists keeps its partition count: changing it would move keys to other
   * partitions. Of many tables the first have their topics while those of the others are being created.
   */
  async ensureTopics(tables: readonly Named[]): Promise<void> {
    const topics = this.#topicsOf(tables);
    const unknown = topics.filter((topic) => !this.#partitionCounts.has(topic) && !this.#creating.has(topic));
    let before = Promise.resolve();
    for (let from = 0; from < unknown.length; from += topicsAtOnce) {
      const some = unknown.slice(from, from + topicsAtOnce);
      const creating = before
        .then(() => this.#create(some))
        .finally(() => {
          for (const topic of some) this.#creating.delete(topic);
        });
      creating.catch(() => {});
      for (const topic of some) this.#creating.set(topic, creating);
      before = creating;
    }
    await Promise.all(topics.map((topic) => this.#creating.get(topic)));
  }

  /** Fails as creating the topics of these tables, and these others, would; creates nothing. Errors: `LOG_…`. */
  async checkTopics(tables: readonly Named[], others: readonly TopicSpec[]): Promise<void> {
    const { wanting } = await this.#specs(this.#topicsOf(tables));
    await this.#log.checkTopics([...others, ...wanting]);
  }

  /** Resolves when no topic is being created any more: what asks the Log behind its end would never let it go. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#creating.values());
  }

  async #create(topics: readonly string[]): Promise<void> {
    if (this.#closed) throw closed();
    const { wanting, partitionsOf } = await this.#specs(topics);
    if (wanting.length > 0) await this.#log.ensureTopics(wanting);
    for (const topic of topics) this.#partitionCounts.set(topic, partitionsOf(topic));
  }

  /** What is to be made or settled of the topics, and how many partitions each has then. */
  async #specs(topics: readonly string[]) {
    const counts = await this.#log.partitions(topics);
    const partitionsOf = (topic: string) => counts.get(topic) ?? this.#options.partitions;
    const specs = topics.map((name): TopicSpec => {
      const retentionMs = this.#retention.get(name);
      const forgetting = retentionMs === undefined ? {} : { retentionMs };
      return { name, partitions: partitionsOf(name), cleanup: 'compact', ...forgetting };
    });
    const wanting = specs.filter((spec) => !counts.has(spec.name) || spec.retentionMs !== undefined);
    return { wanting, partitionsOf };
  }

  #topicsOf(tables: readonly Named[]): string[] {
    return tables.map((t) => topicOf(this.#options.source, t.schema, t.table));
  }
}

/** Schemas are registered when a source starts, so the mend of one that was refused ends there. */
const untilRestart = ({ code, message, hint, cause }: InsideoutError): InsideoutError =>
  new InsideoutError(code, message, {
    hint: `${hint} Then start the source again: the table is read again, and its earlier rows go first.`,
    cause,
  });
