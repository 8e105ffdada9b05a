import type { ErasingTransaction, OwnerColumn } from '../connectors/source/erasure.ts';
import type { SourcePoint } from '../connectors/source/point.ts';
import type { Checkpoint } from '../core/position.ts';
import { type EventFrame, EventLog } from '../log/event-log.ts';
import type { Log } from '../log/log.ts';
import type { Certificate } from './certificate.ts';
import { fold, refusal } from './journal-fold.ts';
import type { Place } from './place.ts';

/** Hashes of the keys of a topic's erased rows. */
export interface ErasedKeys {
  readonly topic: string;
  /** `KeyHasher.key` of each. */
  readonly hashes: readonly string[];
}

/**
 * A column by which a topic's rows are known as the subject's, also in states that they have no more: `OwnerColumn`
 * with hashes in place of values.
 */
export interface OwnerHashes {
  readonly topic: string;
  readonly column: string;
  /** `KeyHasher.key` of the column alone; null where they prove nothing, as equal values are not always written alike. */
  readonly hashes: readonly string[] | null;
  readonly through: OwnerColumn['through'];
}

/** A column by which records of before a point are a subject's. */
export interface OwnedBefore extends OwnerHashes {
  readonly point: SourcePoint;
  /** It refers to rows that had been deleted before: what refers to them still is an orphan, or somebody else's. */
  readonly former: boolean;
}

/** Rows of one table, in the topic of their changes, that are about to be erased. */
export interface NotedRows {
  readonly table: string;
  readonly topic: string;
  /** `KeyHasher.key` of each that is to be deleted. */
  readonly hashes: readonly string[];
  /** How many are only overwritten. They keep their keys, but their topic is to be looked through. */
  readonly overwritten: number;
  /** `KeyHasher.key` of those. Journals of before 0.1 do not have it. */
  readonly stays?: readonly string[];
}

/** Keys under which the Log may hold what was overwritten: in records of before the point. */
export interface OverwrittenKeys extends ErasedKeys {
  readonly point: SourcePoint;
}

/**
 * What happens to erasures, in the Log for ever. No identifier and no value is in it. What has `more` is not all:
 * another of these events follows, since a subject may have more rows than one record of the Log can tell. Nothing
 * rests on a part of them: whoever is interrupted between two, or somebody else, begins anew.
 */
export type ErasureHappening =
  | {
      readonly type: 'requested';
      readonly erasure: string;
      readonly subject: string;
      readonly subjectHash: string;
      /** `source`: rows of a source's tables; `topic`: one key of a topic that no source of ours writes. */
      readonly kind: 'source' | 'topic';
      readonly source: string | null;
      /** False when the application deletes the rows itself, and they are only followed. */
      readonly deletes: boolean;
      /** Through what it came, where that was no command. */
      readonly via?: string;
      /** Keyed hash of the subject in the file of subject keys, where there is one. */
      readonly shred?: string;
      /** What former erasures of the subject keep out and look for. */
      readonly keys?: readonly ErasedKeys[];
      /** Where they saw values that they could not remove: `Erasure.valuesSeen`. */
      readonly valuesSeen?: Readonly<Record<string, number>>;
      /** More `keys` follow. */
      readonly more?: true;
    }
  /**
   * Rows that are about to be erased: written before they are, so that a crash forgets none. Whether they were is
   * told by another event, since a row that is given to somebody else instead is not the subject's any more.
   */
  | {
      readonly type: 'found';
      readonly erasure: string;
      readonly rows: readonly NotedRows[];
      /** The transaction that erases these rows and no others; none where the application is to delete them. */
      readonly round?: NotedTransaction;
      readonly owners?: readonly OwnerHashes[];
      /** More rows follow, of the same transaction where there is one. */
      readonly more?: true;
    }
  /** Rows are gone, and this barrier is behind their deletes. */
  | {
      readonly type: 'deleted';
      readonly erasure: string;
      readonly barrier: string;
      /**
       * The rows that the application was to delete, up to those of this `found`; those under `kept` are there as
       * somebody else's. Without it: the rows of the transaction that wrote the barrier.
       */
      readonly tracked?: {
        readonly last: string;
        readonly kept: readonly ErasedKeys[];
        /** What refers to the rows that were kept is somebody else's as well. */
        readonly owners?: readonly OwnerHashes[];
        readonly point?: SourcePoint;
        /** More of them follow, with the same barrier. */
        readonly more?: true;
      };
    }
  /** The transaction that was to write this barrier was never committed. */
  | { readonly type: 'undone'; readonly erasure: string; readonly barrier: string }
  /** The source has passed the erasure's mark: behind these offsets every topic has the deletes. */
  | {
      readonly type: 'passed';
      readonly erasure: string;
      /** The one that the erasure was known to have; what was deleted once more meanwhile lies behind another. */
      readonly barrier: string | null;
      readonly ends: Readonly<Record<string, number>>;
    }
  /**
   * Who began it finishes it as well, and knows values that nobody else knows: until then, in milliseconds since
   * 1970, no daemon takes it up. A courtesy and no lock; 0 gives it free.
   */
  | { readonly type: 'held'; readonly erasure: string; readonly until: number }
  | {
      readonly type: 'looked';
      readonly erasure: string;
      readonly places: readonly Place[];
      /** By a process that knew values of the subject. */
      readonly valued?: true;
    }
  /** What was the subject's before this barrier, and is known by its records only; found before they are compacted. */
  | {
      readonly type: 'former';
      readonly erasure: string;
      readonly barrier: string;
      readonly point: SourcePoint;
      readonly keys: readonly ErasedKeys[];
      /** Of what refers to these rows. */
      readonly owners: readonly OwnerHashes[];
      readonly more?: true;
    }
  /** The subject may come back, as when a natural key is used anew: its keys are no longer kept out. */
  | { readonly type: 'lifted'; readonly erasure: string }
  | { readonly type: 'completed'; readonly erasure: string; readonly certificate: Certificate };

/** Journals of before 0.1 do not have the point. */
export type NotedTransaction = Omit<ErasingTransaction, 'point'> & { readonly point?: SourcePoint };

export type ErasureEvent = ErasureHappening & EventFrame;

/** `found`: rows are known, and of none it is known that it is gone. */
export type ErasurePhase = 'requested' | 'found' | 'deleted' | 'passed' | 'completed';

export interface Round extends NotedTransaction {
  /** As they came: those of one table may be in several. */
  readonly rows: readonly NotedRows[];
  readonly owners: readonly OwnerHashes[];
  /** Its rows are written down to the last. Before that it cannot have been committed. */
  readonly whole: boolean;
}

/** What the application is to delete. */
export interface TrackedRows {
  /** Id of the newest event that told of some. */
  readonly last: string;
  /** Whoever wrote that down has written down all; before that nobody was told to delete anything. */
  readonly whole: boolean;
  readonly rows: readonly NotedRows[];
  readonly owners: readonly OwnerHashes[];
  /** What somebody began to tell of those that are somebody else's now, by the barrier of who tells it. */
  readonly settling: ReadonlyMap<string, Others>;
}

/** Rows that are somebody else's, and what refers to them. */
export interface Others {
  readonly kept: readonly ErasedKeys[];
  readonly owners: readonly OwnerHashes[];
}

/** An erasure as far as it got. */
export interface Erasure {
  readonly id: string;
  readonly subject: string;
  readonly subjectHash: string;
  readonly kind: 'source' | 'topic';
  readonly source: string | null;
  readonly deletes: boolean;
  /** What to destroy in the file of subject keys; null where there is none. */
  readonly shred: string | null;
  readonly by: string;
  readonly requestedAt: number;
  /** When its newest event was written. */
  readonly changedAt: number;
  /** See the event `held`; 0 when it is not. */
  readonly heldUntil: number;
  readonly phase: ErasurePhase;
  /** True while a part of its request is missing: whoever erases the subject again writes it once more. */
  readonly requesting: boolean;
  /** Transactions of which nobody knows yet whether they were committed. */
  readonly rounds: readonly Round[];
  /** How the others ended, by their barriers. */
  readonly outcomes: ReadonlyMap<string, 'committed' | 'undone'>;
  /** What the application is to delete; null when that is settled. */
  readonly tracked: TrackedRows | null;
  /** How many rows of each table were deleted or overwritten. */
  readonly rows: Readonly<Record<string, number>>;
  /** Of rows that are gone: these are kept out and looked for. */
  readonly keys: readonly ErasedKeys[];
  /** Of rows that were overwritten, for each time; without hashes where the application was to do it. */
  readonly overwritten: readonly OverwrittenKeys[];
  /** By what records are known as the subject's, for each time. */
  readonly owners: readonly OwnedBefore[];
  /** Behind every state in which rows were the subject's; null where that was not noted. */
  readonly point: SourcePoint | null;
  /** Keys of rows that were the subject's and had been deleted before, found by their records in the Log. */
  readonly former: readonly OverwrittenKeys[];
  /** The barrier behind whose deletes they were searched. */
  readonly formerOf: string | null;
  /** Id of the barrier behind its latest deletes; null until there are some. */
  readonly barrier: string | null;
  readonly ends: Checkpoint;
  readonly places: readonly Place[];
  /** Where values of the subject were seen, by `placeId`, until a process that knows them sees them no more: when. */
  readonly valuesSeen: ReadonlyMap<string, number>;
  readonly certificate: Certificate | null;
  /** True when rows with its keys are let in again. */
  readonly lifted: boolean;
}

export interface JournalState {
  /** In the order in which they were requested. */
  readonly erasures: ReadonlyMap<string, Erasure>;
  readonly chain: readonly Certificate[];
  /**
   * Certificates that cannot stand in the chain, since one before them is missing or another, in the order of their
   * numbers. Nothing may be signed until they can.
   */
  readonly breaks: readonly Certificate[];
  /** All that was accepted, in order. */
  readonly events: readonly ErasureEvent[];
}

export type Journal = EventLog<ErasureEvent, JournalState>;

export const journalTopic = (namespace: string): string => `__${namespace}.erasures`;

export const emptyJournal = (): JournalState => ({
  erasures: new Map(),
  chain: [],
  breaks: [],
  events: [],
});

/** Opens the journal of erasures. Close it. Errors: those of the Log. */
export const openJournal = (log: Log, namespace: string): Promise<Journal> =>
  EventLog.open<ErasureEvent, JournalState>(log, journalTopic(namespace), {
    empty: emptyJournal(),
    fold,
    refusal,
    mend: 'Look at `insideout erasures`, and try again if it is still wanted.',
  });
