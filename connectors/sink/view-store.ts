import type { Checkpoint, Offset, TopicPartition } from '../../core/position.ts';
import type { Row } from '../../core/value.ts';
import type { GenerationId, Key, ViewBatch, ViewShape } from '../../core/view.ts';

/**
 * A store that holds views. Each build of a view is a generation with its own rows and its own checkpoint;
 * a pointer says which generation readers see.
 *
 * SQLite, Redis, Cassandra and memory keep this contract (test/conformance/view-store.ts). Errors are
 * `InsideoutError`s: `STORE_UNREACHABLE` for anything that may pass by waiting, `STORE_AUTH` and
 * `STORE_REFUSED` for what an operator must mend, `RECORD_UNSTORABLE` when one record alone is to blame.
 */
export interface ViewStore {
  /** The generation, created empty if it does not exist. `VIEW_SHAPE` if it exists with other columns, key or ttl. */
  open(view: ViewShape, id: GenerationId): Promise<Generation>;

  /**
   * The generation to read from: null when it does not exist, or is being created or dropped. Changes nothing, so that
   * whoever only looks does not bring back what is being removed. `VIEW_SHAPE` as for `open`.
   */
  find(view: ViewShape, id: GenerationId): Promise<Generation | null>;

  /** Ids of the view's generations in this store, ascending. */
  generations(view: string): Promise<GenerationId[]>;

  /** The generation that readers see, or null before the first promotion. */
  active(view: string): Promise<GenerationId | null>;

  /**
   * Moves the pointers of several views in one step, if every one of them still is where `from` says
   * (compare-and-set). False, and nothing moved, when one is not. Swap and rollback are this same call.
   * `STORE_REFUSED` when a generation that they should move to does not exist.
   */
  promote(moves: readonly Promotion[]): Promise<boolean>;

  /**
   * Readers see no generation of the view in this store any more, if they saw this one: they have been moved to
   * another store. Idempotent.
   */
  withdraw(view: string, id: GenerationId): Promise<void>;

  /**
   * Removes a generation, rows and checkpoint, in steps between which others use the store. From the first step on
   * nobody can claim, write to or promote it; it is listed until the last is done. Idempotent: a drop that a crash
   * cut short goes on when it is called again, or when the generation is opened. The active one is refused with
   * `STORE_REFUSED`.
   */
  drop(view: string, id: GenerationId): Promise<void>;

  /**
   * Resolves when the store answers and takes what views write, as far as that can be seen without one: of this
   * account, with the room and the settings that it has now. Nothing stays of it.
   */
  check(): Promise<void>;

  /**
   * Makes the store's own files forget what was deleted, as far as can be done from here. Null when the bytes are
   * gone; otherwise one sentence that says what may remain, until when, and how to mend it. May take as long as
   * writing the whole store anew. Errors: `STORE_UNREACHABLE`, `STORE_AUTH`.
   */
  scrub(): Promise<string | null>;

  /** Files on this machine that hold the views; empty when they are elsewhere. */
  files(): readonly string[];

  close(): Promise<void>;
}

export interface Promotion {
  readonly view: ViewShape;
  readonly from: GenerationId | null;
  readonly to: GenerationId;
}

/** Who may write to one partition of a generation, and where it goes on. */
export interface Claim extends TopicPartition {
  /** Counts the claims of this partition; a writer with a smaller number is fenced. */
  readonly epoch: number;
  /** The stored checkpoint: next offset to apply, 0 for a new generation. */
  readonly next: Offset;
}

export interface Generation {
  readonly view: ViewShape;
  readonly id: GenerationId;

  /**
   * Rows that an application should not go beyond now, since others write to the store and would be kept waiting for
   * more than some milliseconds; null for a store that serves all at once, and when nobody else has written lately.
   */
  step(): number | null;

  /** Next offset of every partition that was ever claimed. */
  checkpoint(): Promise<Checkpoint>;

  /** Takes over a partition. Every earlier claim of it is void from here on. */
  claim(topic: string, partition: number): Promise<Claim>;

  /**
   * Applies a batch and moves the checkpoint to `batch.next`, durably before it resolves.
   *
   * Idempotent: changes below the stored checkpoint have no effect, so any suffix of the log may be replayed,
   * and a batch that is wholly below it is a no-op. Within the batch the last change of a key wins. SQLite applies
   * rows and checkpoint in one atomic step, Redis a large batch in several, each with its checkpoint; Cassandra
   * applies the rows first, with timestamps made from offsets, so a repeated application cannot undo a newer one.
   *
   * Of a view with a `ttl`, a row that has ended is deleted instead of written, and one that ends later is never
   * read after its end, by whoever wrote it and whenever; its bytes go soon after. Its end is made of its values
   * alone, so that no replay and no rebuild moves it. A row whose end cannot be read is `RECORD_UNSTORABLE`.
   *
   * `VIEW_FENCED` when a later claim exists: nothing was changed (Cassandra: nothing that the later claimant
   * does not write as well). `VIEW_CHECKPOINT_GAP` when `batch.from` is past the stored checkpoint.
   */
  apply(claim: Claim, batch: ViewBatch): Promise<void>;

  /**
   * Deletes rows whatever the checkpoint says, durably; a later change of the key (at or past the checkpoint when
   * this was called) still applies. For rows that came back with a restored backup. Idempotent; keys without a row
   * are ignored.
   */
  erase(keys: readonly Key[]): Promise<void>;

  /**
   * The row with this key, or null. Once the generation was dropped: Redis throws `VIEW_GENERATION_GONE`, SQLite
   * and Cassandra some `STORE_…` error.
   */
  get(key: Key): Promise<Row | null>;

  /** The rows of the keys, in their order, null where there is none. No snapshot: each is as new as `get` gives it. */
  getMany(keys: readonly Key[]): Promise<(Row | null)[]>;

  /** Every row once, in no particular order. Rows written meanwhile may or may not be seen. */
  scan(): AsyncIterable<Row>;

  /** Number of rows; may read them all. */
  count(): Promise<number>;
}
