import type { Offset } from '../../core/position.ts';

/** What a view tells of itself, for metrics and probes. */
export interface ViewObserver {
  /** A batch is in the store. `lag` is how many records of the partition are still ahead. */
  applied(progress: {
    topic: string;
    partition: number;
    records: number;
    rows: number;
    next: Offset;
    lag: number;
    committedAt: number | null;
  }): void;
  deadLettered(topic: string, code: string): void;
  /** Something that may pass failed, and is tried again. */
  retrying(error: Error): void;
  /** It works again. */
  recovered(): void;
  /** A partition is this process's from here on, and goes on at `next`. */
  assigned(topic: string, partition: number, next: Offset): void;
  revoked(topic: string, partition: number): void;
}

export const silentObserver: ViewObserver = {
  applied: () => {},
  deadLettered: () => {},
  retrying: () => {},
  recovered: () => {},
  assigned: () => {},
  revoked: () => {},
};
