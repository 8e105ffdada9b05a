import type { Row } from '../../core/value.ts';
import type { SourcePoint } from './point.ts';
import type { Replacement } from './replacement.ts';
import type { Finding } from './source.ts';

/** Where a source holds the rows of a subject. The first table is the subject's own. */
export interface SubjectTables {
  readonly tables: readonly SubjectPlace[];
}

/** One column by which rows are found. A table may be named by several. */
export interface SubjectPlace {
  /** `schema.table`. */
  readonly table: string;
  readonly column: string;
  /**
   * Null: the column holds the subject's id. Otherwise it refers to rows that were found in this table, listed
   * before, by its column; null is the one that the foreign key refers to, or else the primary key.
   */
  readonly through: { readonly table: string; readonly column: string | null } | null;
  readonly policy:
    | { readonly kind: 'delete' }
    | {
        readonly kind: 'anonymise';
        /** Texts as `parseReplacement` reads them. */
        readonly set: Readonly<Record<string, Replacement>>;
      };
}

/** Rows of a subject in one topic. */
export interface SubjectRows {
  /** As the subject names it, `schema.table`. */
  readonly table: string;
  /** Where their changes go; a table whose partitions are published one by one has several. */
  readonly topic: string;
  readonly policy: 'delete' | 'anonymise';
  /** The columns of the topic's key. */
  readonly keyColumns: readonly string[];
  /** The keys as texts, in the order of `keyColumns`; the same texts as those of the keys in the Log. */
  readonly keys: readonly (readonly string[])[];
  /**
   * Where rows are only overwritten: what was overwritten of each, in the order of `keys`, save what had the new
   * value already. Null for a row of which some of it is neither a text nor a whole number, so that it may be
   * written otherwise elsewhere.
   */
  readonly overwritten?: readonly (readonly OverwrittenText[] | null)[];
}

export interface OverwrittenText {
  readonly column: string;
  readonly text: string;
}

/** A column by which rows of a topic are known to be a subject's, also of states that they have no more. */
export interface OwnerColumn {
  readonly table: string;
  readonly topic: string;
  readonly column: string;
  /** What it refers to, for rows that were the subject's before: the tables topics and column. Null: the subject's id. */
  readonly through: { readonly topics: readonly string[]; readonly column: string } | null;
  /** The texts that tell the subject, as the Log has them; null where equal values are not always written alike. */
  readonly values: readonly string[] | null;
  /** True where the subject's rows stay, overwritten. */
  readonly stays: boolean;
}

/** What a source holds of a subject. Personal data: for looking, never to be stored. */
export interface FoundSubject {
  /** The id as the source itself writes it: `042` is `42` where ids are numbers. */
  readonly id: string;
  readonly rows: readonly SubjectRows[];
  /**
   * Values that belong to this subject alone, of four characters or more: those of columns that are unique, as
   * far as they go with the rows or are overwritten.
   */
  readonly telling: readonly string[];
  /** Of every topic in which the subject may have rows, be there some now or not; what refers behind what it refers to. */
  readonly owners: readonly OwnerColumn[];
}

export interface ErasedSubject extends FoundSubject {
  /** Id of the barrier that was written in the same transaction; its content names the erasure. */
  readonly barrier: string;
}

/** By these it is found out later whether a transaction that erases was committed. */
export interface ErasingTransaction {
  /** The source's own name of it, for `outcome`. */
  readonly transaction: string;
  /** Id of the barrier that is written in it. */
  readonly barrier: string;
  /** Behind every state of the rows that it deletes or overwrites, and before their deletes and new states. */
  readonly point: SourcePoint;
}

/** What an erasure is called, and what is to be done about its rows before they are gone for good. */
export interface ErasureRequest {
  readonly id: string;
  /**
   * Awaited as the last thing before the commit, with the rows that are then erased and no others: what must be
   * durable before they are. When it fails, or takes longer than 10 s and 5 s more for each 100,000 rows, nothing is erased. Called again, in another
   * transaction, where one has to be tried again. Default: nothing.
   */
  beforeCommit?(erased: FoundSubject, by: ErasingTransaction): Promise<void>;
}

/** Rows that were the subject's when somebody looked, and that the application is to delete itself. */
export interface FollowRequest {
  /** What the erasure is called. */
  readonly id: string;
  readonly noted: readonly SubjectRows[];
  /**
   * More of them, of which only hashes are known: every row in these topics is asked about, so it takes as long as
   * reading the tables. Null where there are none.
   */
  readonly others: { readonly topics: ReadonlySet<string>; has(topic: string, key: Row): boolean } | null;
}

export interface FollowedSubject extends FoundSubject {
  /** Null while rows are there that are to be deleted. */
  readonly gone: {
    /** The noted rows that are there all the same, since they are somebody else's now, and what tells of them. */
    readonly kept: Pick<FoundSubject, 'rows' | 'telling' | 'owners'>;
    /** Id of a barrier behind the deletes of all the others. */
    readonly barrier: string;
    /** Behind every state in which they were the subject's. */
    readonly point: SourcePoint;
  } | null;
}

/** One foreign key of the source's catalog. */
export interface ForeignKey {
  readonly name: string;
  /** `schema.table` that refers, and its columns. */
  readonly table: string;
  readonly columns: readonly string[];
  /** What it refers to; `primary` when the columns are the primary key. */
  readonly references: {
    readonly table: string;
    readonly columns: readonly string[];
    readonly primary: boolean;
  };
  readonly onDelete: 'no action' | 'restrict' | 'cascade' | 'set null' | 'set default';
}

/**
 * Erases subjects where their rows come from. Calls may overlap; they are run one after the other, over one
 * connection. Errors: `USAGE` for an id that the source cannot read, `CONFIG_INVALID` for what the subject's
 * declaration makes impossible, `SOURCE_…` otherwise. No error holds a value of a row.
 */
export interface SourceEraser {
  /** Compares the declaration with the catalog. `erase` refuses what is an error here and would lose rows. */
  check(subject: SubjectTables): Promise<Finding[]>;
  /**
   * In one transaction: finds and locks the rows, deletes or overwrites them, writes a barrier whose content is
   * `{ id, erasure }`, and awaits `beforeCommit`. Resolves once it is committed; a failure or a crash before that
   * changes nothing. Rows that refer to the subject by a foreign key and are inserted meanwhile either are found,
   * or wait and then fail, or, where the subject's row stays, come after it. Doing it again finds what is there
   * now, be it nothing, and writes another barrier.
   */
  erase(subject: SubjectTables, id: string, erasure: ErasureRequest): Promise<ErasedSubject>;
  /** The same rows, only looked at, as of one moment. */
  find(subject: SubjectTables, id: string): Promise<FoundSubject>;
  /**
   * For deletes that the application makes itself: `find`, and where it finds none that is to be deleted, as of the
   * same moment which of the noted rows are there none the less, and a barrier.
   */
  follow(subject: SubjectTables, id: string, request: FollowRequest): Promise<FollowedSubject>;
  /**
   * How a transaction of `erase` ended. `undone` also of one that this database has never heard of, as when it was
   * restored from a backup; `committed` of one so old that nobody knows any more; `open` while it may yet be either.
   */
  outcome(transaction: string): Promise<'committed' | 'undone' | 'open'>;
  /** Only a barrier: behind all that is committed. Resolves with its id. */
  mark(erasure: { readonly id: string }): Promise<string>;
  /** Every foreign key of the database, of partitioned tables once, in the order of their tables. */
  foreignKeys(): Promise<ForeignKey[]>;
  close(): Promise<void>;
}
