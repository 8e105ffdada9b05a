import type pg from 'pg';
import { InsideoutError, isInsideoutError } from '../../../core/errors.ts';
import { registerTruncate } from '../../../log/avro/truncate-record.ts';
import { closed } from '../../../log/closed.ts';
import type { Log } from '../../../log/log.ts';
import { type KeyColumn, keySchema, keyShape, topicOf, valueSchema } from './avro-schema.ts';
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

/** `schema.table`, the name used in the config, in errors and in the state. */
export const qualifiedName = (t: { readonly schema: string; readonly table: string }): string =>
  `${t.schema}.${t.table}`;

/** Kafka takes seconds to create the topics of hundreds of tables. */
export const topicsAtOnce = 50;

/** Prepares table versions, each once. */
export class Tables {
  readonly types = new TypeCatalog();
  readonly #source: string;
  readonly #log: Log;
  readonly #partitions: number;
  readonly #prepared = new Map<string, PreparedTable>();
  readonly #partitionCounts = new Map<string, number>();
  readonly #creating = new Map<string, Promise<void>>();
  #closed = false;
  #truncateId: number | null = null;

  constructor(options: { source: string; partitions: number }, log: Log) {
    this.#source = options.source;
    this.#partitions = options.partitions;
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
    const topic = topicOf(this.#source, version.schema, version.table);
    const [registered] = await Promise.all([this.#register(topic, columns), this.ensureTopics([version])]);
    const prepared: PreparedTable = {
      schema: version.schema,
      table: version.table,
      topic,
      partitions: this.#partitionCounts.get(topic) ?? this.#partitions,
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
    columns: readonly (EncodedColumn & KeyColumn)[],
  ): Promise<Pick<PreparedTable, 'encoder' | 'keyShape' | 'stopped'>> {
    const ofKey = columns.filter((c) => c.key);
    try {
      const { schemas } = this.#log;
      const names = new Set(ofKey.map((c) => c.name));
      const [keyId, valueId] = await Promise.all([
        schemas.register(`${topic}-key`, keySchema(topic, ofKey)),
        schemas.register(`${topic}-value`, valueSchema(topic, columns, names)),
      ]);
      return {
        encoder: new TableEncoder(columns, keyId, valueId),
        keyShape: keyShape(keyId, ofKey),
        stopped: null,
      };
    } catch (error) {
      if (!isInsideoutError(error, 'SCHEMA_INCOMPATIBLE')) throw error;
      return { encoder: new TableEncoder(columns, 0, 0), keyShape: '', stopped: untilRestart(error) };
    }
  }

  /**
   * The topics of these tables. One that exists keeps its partition count: changing it would move keys to other
   * partitions. Of many tables the first have their topics while those of the others are being created.
   */
  async ensureTopics(tables: readonly { readonly schema: string; readonly table: string }[]): Promise<void> {
    const topics = tables.map((t) => topicOf(this.#source, t.schema, t.table));
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

  /** Resolves when no topic is being created any more: what asks the Log behind its end would never let it go. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#creating.values());
  }

  async #create(topics: readonly string[]): Promise<void> {
    if (this.#closed) throw closed();
    const counts = await this.#log.partitions(topics);
    const missing = topics.filter((topic) => !counts.has(topic));
    if (missing.length > 0)
      await this.#log.ensureTopics(
        missing.map((name) => ({ name, partitions: this.#partitions, cleanup: 'compact' })),
      );
    for (const topic of topics) this.#partitionCounts.set(topic, counts.get(topic) ?? this.#partitions);
  }
}

/** Schemas are registered when a source starts, so the mend of one that was refused ends there. */
const untilRestart = ({ code, message, hint, cause }: InsideoutError): InsideoutError =>
  new InsideoutError(code, message, {
    hint: `${hint} Then start the source again: the table is read again, and its earlier rows go first.`,
    cause,
  });
