import type { InsideoutError } from '../core/errors.ts';
import type { Offset } from '../core/position.ts';
import type { SchemaRegistry } from './avro/schema-registry.ts';

/** Header name to value. Text headers are UTF-8. */
export type Headers = Readonly<Record<string, Buffer | string>>;

/** A record to append. The partition is the caller's choice (core/partition.ts for keyed records). */
export interface LogRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer;
  /** `null` is a tombstone: the key is deleted, and compaction may forget it. */
  readonly value: Buffer | null;
  readonly headers?: Headers;
  /** Milliseconds since 1970: the commit time of the change, not the time of the append. */
  readonly timestamp: number;
}

/** A record as it is stored. The buffers may be views on a larger one: copy what outlives the batch. */
export interface StoredRecord {
  readonly offset: Offset;
  /** `null` only on topics that others write. */
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
  readonly timestamp: number;
}

/** Records of one partition, offsets ascending, possibly none. */
export interface RecordBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly StoredRecord[];
  /** Where the next batch goes on: past the last record, and past what compaction or aborts left out. */
  readonly next: Offset;
  /** End offset of the partition when the batch was read; `end - next` is the lag. */
  readonly end: Offset;
}

export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  /** `compact` keeps the newest record of each key, `delete` keeps everything. */
  readonly cleanup: 'compact' | 'delete';
  /**
   * Records whose time is longer ago are forgotten, also the newest of their key; -1 for ever. Default: for ever for a
   * topic that is made, as it is for one that exists.
   */
  readonly retentionMs?: number;
}

/** What the consumer must do when partitions come and go. */
export interface ConsumeRequest {
  /**
   * Processes with the same group share the partitions of the topics between them. Without a group the caller
   * reads every partition alone.
   */
  readonly group?: string;
  readonly topics: readonly string[];
  /**
   * Called for each partition after it was assigned and before its first batch; answers where to start.
   * An offset below the first that the Log still holds is an error `VIEW_CHECKPOINT_GAP`, never a silent skip,
   * unless the topic is compacted.
   */
  from(topic: string, partition: number): Promise<Offset>;
  /** Called when a partition was taken away; no batch of it follows until `from` was called for it again. */
  revoked?(topic: string, partition: number): void;
  readonly signal: AbortSignal;
}

export interface CompactOptions {
  readonly signal: AbortSignal;
  /** Called whenever it was looked, with the number of superseded records that are left. */
  readonly onProgress?: (left: number) => void;
  /** Called when something holds the compaction up, about once a minute, with what it is and how to mend it. */
  readonly onHeldUp?: (why: InsideoutError) => void;
}

/** Appends under an id that has one writer at a time (`Log.fencedWriter`). */
export interface FencedWriter {
  /**
   * All or nothing, over all topics and partitions: durable when it resolves, and visible to readers only whole.
   * Records of a partition keep the order of the array and of earlier calls. One call at a time.
   *
   * Errors: `LOG_FENCED` once a later writer has the id; of this call nothing lands then. After any other error
   * this call's records are in the Log either all or not at all. In both cases this writer is of no more use: every
   * later call rejects with the same error, and appending goes on with a new writer of the same id.
   */
  append(records: readonly LogRecord[]): Promise<void>;

  /** Releases what it holds. The id stays with this writer until another is opened. */
  close(): Promise<void>;
}

/**
 * The Log: topics of partitions of records, durable and replayable, with the schemas of what they hold.
 *
 * Two implementations keep this contract: Kafka and a SQLite file (test/conformance/log.ts). Errors are
 * `InsideoutError`s with a `LOG_…` code.
 */
export interface Log {
  readonly schemas: SchemaRegistry;

  /** Creates what is missing. A topic that exists with another partition count is an error `LOG_TOPIC`. */
  ensureTopics(topics: readonly TopicSpec[]): Promise<void>;

  /** Fails as `ensureTopics` would, as far as that can be told without creating anything; and creates nothing. */
  checkTopics(topics: readonly TopicSpec[]): Promise<void>;

  /** Partition counts of those of the topics that exist. */
  partitions(topics: readonly string[]): Promise<ReadonlyMap<string, number>>;

  /** Names of all topics. */
  topics(): Promise<string[]>;

  /**
   * Removes topics with all their records. Missing ones are ignored. Resolves when they can no longer be listed;
   * a topic of the same name may then be created anew and begins at offset 0. Whoever still reads one ends with
   * `LOG_TOPIC`.
   */
  deleteTopics(names: readonly string[]): Promise<void>;

  /**
   * Appends records and resolves once all of them are durable. Within a partition records keep the order of
   * the array, and of earlier calls that were made before this one, also when those are still in flight.
   * A rejected call may have appended some of its records; appending them again doubles records, and since a
   * record is a whole row under its key this changes no view. After a rejection every later call rejects
   * too, until `recover` was called: otherwise a later record could overtake a lost one.
   */
  append(records: readonly LogRecord[]): Promise<void>;

  /** Makes `append` usable again after it rejected. The caller then appends again from its last durable point. */
  recover(): Promise<void>;

  /**
   * Takes over the right to append under this id: a writer that was opened earlier with the same id, by whatever
   * process, is refused from here on with `LOG_FENCED`, and what it has not finished by now never lands. Opening
   * takes the right without asking, so who opens must find out *afterwards* that the work is still its own.
   */
  fencedWriter(id: string): Promise<FencedWriter>;

  /**
   * Reads until the signal aborts, then ends without an error. Batches of one partition come in order; the
   * next batch of a partition is delivered only after the consumer asked for the following one, so memory
   * stays bounded by about one fetch per partition.
   */
  consume(request: ConsumeRequest): AsyncIterable<RecordBatch>;

  /** First offset still held, and next offset to be written, for every partition of the topics. */
  offsets(topics: readonly string[]): Promise<ReadonlyMap<string, { first: Offset; end: Offset }>>;

  /**
   * Compacts topics now, and resolves once that was observed: whoever reads a partition from its first offset finds
   * of each key no record that is older than the newest one that existed when the call began. The bytes of what
   * went are overwritten or their files removed. Tombstones stay for their retention. Others may append and
   * read meanwhile, and find nothing that they would not find otherwise. Takes as long as it takes: it is given up
   * only by the signal, whose reason is then thrown; what went until then is gone.
   *
   * Errors: `LOG_TOPIC` for a topic that is missing or not compacted.
   */
  compact(topics: readonly string[], options: CompactOptions): Promise<void>;

  /**
   * Of each of the topics that exists and is compacted: how long a tombstone stays at least after the first
   * compaction that met it, milliseconds. Whoever reads with a greater delay than that may miss a deletion.
   */
  tombstoneRetention(topics: readonly string[]): Promise<ReadonlyMap<string, number>>;

  /** Waits for what is in flight and releases everything. */
  close(): Promise<void>;
}
