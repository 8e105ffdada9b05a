import type { GenerationId, ViewShape } from '../../core/view.ts';
import type { EventFrame } from '../../log/event-log.ts';

/** One generation of an epoch, as it was staged. It never changes afterwards. */
export interface StagedGeneration {
  readonly view: string;
  readonly generation: GenerationId;
  /** Its columns and key, by which it can be opened when the config has moved on. */
  readonly shape: ViewShape;
  /** Name of the store in the config. */
  readonly store: string;
  /** Of the definition that makes its rows; only processes with that definition write to it. */
  readonly fingerprint: string;
  /** The topic that it is built from. */
  readonly input: string;
  /** The source's topic at the beginning of its chain of views, and which of that topic's key columns each key column is. */
  readonly origin: { readonly topic: string; readonly key: Readonly<Record<string, string>> };
  /** Its view topic, when other views read it. */
  readonly output: string | null;
}

/** One view's pointer in a promotion or a rollback. */
export interface Move {
  readonly view: string;
  readonly from: GenerationId | null;
  readonly to: GenerationId;
}

/** What the gate measured of one view; figures only, no keys and no values: history is kept for ever. */
export interface GateFigures {
  readonly view: string;
  readonly passed: boolean;
  readonly lag: number;
  readonly rows: { readonly blue: number; readonly green: number } | null;
  readonly differing: number | null;
  readonly missing: readonly string[];
}

/** What happened to generations. Kept in the Log for ever: this is the history. */
export type Happening =
  | {
      readonly type: 'staged';
      readonly epoch: number;
      /** `first` when the views had none: readers see them from the start. */
      readonly reason: 'first' | 'rebuild';
      readonly generations: readonly StagedGeneration[];
    }
  /** The pointers are about to move. What a crash left in between is settled by looking at the stores. */
  | {
      readonly type: 'promoting';
      readonly kind: 'promote' | 'rollback';
      readonly moves: readonly Move[];
      readonly gate: readonly GateFigures[];
      readonly forced: boolean;
    }
  | {
      readonly type: 'promoted';
      readonly kind: 'first' | 'promote' | 'rollback';
      readonly moves: readonly Move[];
      readonly gate: readonly GateFigures[];
      readonly forced: boolean;
    }
  /** The pointers were elsewhere, and none has moved. */
  | { readonly type: 'notPromoted'; readonly moves: readonly Move[] }
  /** Nobody writes to it any more, and it is being removed; `forced`: although readers saw it. */
  | {
      readonly type: 'retiring';
      readonly view: string;
      readonly generation: GenerationId;
      readonly forced?: boolean;
    }
  /** Nothing of it is left. */
  | { readonly type: 'retired'; readonly view: string; readonly generation: GenerationId }
  /** An operator said that its store is gone for good: its rows were not removed, and may be in copies of the store. */
  | { readonly type: 'abandoned'; readonly view: string; readonly generation: GenerationId };

/** A happening as it stands in the Log. */
export type CatalogEvent = Happening & EventFrame;
