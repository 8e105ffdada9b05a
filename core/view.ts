import type { Columns } from './column.ts';
import type { Offset } from './position.ts';
import type { Row, Value } from './value.ts';

/** Number of a generation: one build of a view, counted from 1 and never used twice for the same view. */
export type GenerationId = number;

/** What a store must know of a view to lay it out. */
export interface ViewShape {
  /** `[a-z_][a-z0-9_]*`, at most 40 characters, so that every store can use it as an identifier. */
  readonly name: string;
  readonly columns: Columns;
  /** Names of the key columns, all of them in `columns`, in the order of the source's key. Never empty. */
  readonly key: readonly string[];
  /** When its rows end; absent when they stay until they are deleted. */
  readonly ttl?: Ttl;
}

/** A row ends at the time in `column`, a timestamp column of the view, plus so many milliseconds: core/lifetime.ts. */
export interface Ttl {
  readonly column: string;
  readonly ms: number;
}

/** A view key: the values of `ViewShape.key`, in that order, none of them null. */
export type Key = readonly Value[];

/**
 * One change to a view, and the offset of the record it came from.
 *
 * `truncate` removes every row that came from the batch's partition at a lower offset; rows that came from
 * other partitions stay, because each partition carries its own truncate record.
 */
export type ViewChange =
  | { readonly op: 'upsert'; readonly offset: Offset; readonly key: Key; readonly row: Row }
  | { readonly op: 'delete'; readonly offset: Offset; readonly key: Key }
  | { readonly op: 'truncate'; readonly offset: Offset };

/** A run of changes from one partition, offsets ascending, that moves its checkpoint from `from` to `next`. */
export interface ViewBatch {
  readonly topic: string;
  readonly partition: number;
  /** Next offset before this batch. */
  readonly from: Offset;
  /** Next offset after it; at least `from`, and past every change's offset. */
  readonly next: Offset;
  readonly changes: readonly ViewChange[];
}
