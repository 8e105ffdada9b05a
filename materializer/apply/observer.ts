import type { InsideoutError } from '../../core/errors.ts';
import type { Offset } from '../../core/position.ts';

/** What a view tells of itself, for metrics and probes. */
export interface ViewObserver {
  /** A batch is in the store. `lag` as in `behind`. */
  applied(progress: {
    topic: string;
    partition: number;
    records: number;
    rows: number;
    next: Offset;
    lag: number;
    committedAt: number | null;
  }): void;
  /**
   * So many records of a partition are not in the store yet. Told soon after the partition was assigned, whenever
   * more of it was taken from the Log, and every few seconds while the store is busy.
   */
  behind(at: { topic: string; partition: number; lag: number }): void;
  /** A record was set aside, since it can never be applied. */
  deadLettered(letter: {
    readonly topic: string;
    readonly partition: number;
    readonly offset: Offset;
    readonly error: InsideoutError;
  }): void;
  /** So many records of a batch were not taken, since they tell of rows that were erased. */
  keptOut(records: number): void;
  /** Records of the topic do not have columns that the view reads, and so they are null; each is told once. */
  lacking(at: { readonly topic: string; readonly columns: readonly string[] }): void;
  /** Something that may pass failed, and is tried again; or what it reads is not there yet, and is waited for. */
  retrying(error: InsideoutError): void;
  /** It works. */
  recovered(): void;
  /** A partition is this process's from here on, and goes on at `next`. */
  assigned(topic: string, partition: number, next: Offset): void;
  revoked(topic: string, partition: number): void;
}

export const silentObserver: ViewObserver = {
  applied: () => {},
  behind: () => {},
  deadLettered: () => {},
  keptOut: () => {},
  lacking: () => {},
  retrying: () => {},
  recovered: () => {},
  assigned: () => {},
  revoked: () => {},
};
