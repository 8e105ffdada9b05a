import type { Checkpoint } from '../core/position.ts';
import { type EventFrame, EventLog } from '../log/event-log.ts';
import type { Log } from '../log/log.ts';
import type { Certificate } from './certificate.ts';
import type { Place } from './place.ts';

/** Hashes of the keys of a topic's erased rows. */
export interface ErasedKeys {
  readonly topic: string;
  /** `KeyHasher.key` of each. */
  readonly hashes: readonly string[];
}

/** What happens to erasures, in the Log for ever. No identifier and no value is in it. */
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
    }
  /**
   * Rows that are about to be deleted: written before they are, so that a crash forgets none. Where rows are only
   * overwritten the topic has no hashes.
   */
  | {
      readonly type: 'found';
      readonly erasure: string;
      readonly rows: Readonly<Record<string, number>>;
      readonly keys: readonly ErasedKeys[];
    }
  /** The deletes are committed, together with or before this barrier. */
  | {
      readonly type: 'deleted';
      readonly erasure: string;
      readonly rows: Readonly<Record<string, number>>;
      readonly keys: readonly ErasedKeys[];
      readonly barrier: string;
    }
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
  | { readonly type: 'looked'; readonly erasure: string; readonly places: readonly Place[] }
  /** The subject may come back, as when a natural key is used anew: its keys are no longer kept out. */
  | { readonly type: 'lifted'; readonly erasure: string }
  | { readonly type: 'completed'; readonly erasure: string; readonly certificate: Certificate };

export type ErasureEvent = ErasureHappening & EventFrame;

/** `found`: its rows are known, and nobody has said that their deletes were committed. */
export type ErasurePhase = 'requested' | 'found' | 'deleted' | 'passed' | 'completed';

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
  readonly rows: Readonly<Record<string, number>>;
  readonly keys: readonly ErasedKeys[];
  /** Id of the barrier behind its latest deletes; null until they are committed. */
  readonly barrier: string | null;
  readonly ends: Checkpoint;
  readonly places: readonly Place[];
  readonly certificate: Certificate | null;
  /** True when rows with its keys are let in again. */
  readonly lifted: boolean;
}

export interface JournalState {
  /** In the order in which they were requested. */
  readonly erasures: ReadonlyMap<string, Erasure>;
  readonly chain: readonly Certificate[];
  /** All that was accepted, in order. */
  readonly events: readonly ErasureEvent[];
}

type Mutable = { erasures: Map<string, Erasure>; chain: Certificate[]; events: ErasureEvent[] };

export type Journal = EventLog<ErasureEvent, JournalState>;

export const journalTopic = (namespace: string): string => `__${namespace}.erasures`;

export const emptyJournal = (): JournalState => ({ erasures: new Map(), chain: [], events: [] });

/** Opens the journal of erasures. Close it. Errors: those of the Log. */
export const openJournal = (log: Log, namespace: string): Promise<Journal> =>
  EventLog.open<ErasureEvent, JournalState>(log, journalTopic(namespace), {
    empty: emptyJournal(),
    fold,
    refusal,
    mend: 'Look at `insideout erasures`, and try again if it is still wanted.',
  });

/**
 * The state after an event that is not refused: another object, so that whoever follows sees that it is another,
 * but with the same map and lists, which grow. Copies of them would make the time for n erasures n².
 */
export function fold(state: JournalState, event: ErasureEvent): JournalState {
  const { erasures, chain, events } = state as Mutable;
  const id = event.erasure;
  const erasure = event.type === 'requested' ? begun(event) : after(erasures.get(id)!, event);
  erasures.set(id, { ...erasure, changedAt: event.at });
  if (event.type === 'completed') chain.push(event.certificate);
  events.push(event);
  return { erasures, chain, events };
}

function begun(event: ErasureEvent & { type: 'requested' }): Erasure {
  const { erasure: id, subject, subjectHash, kind, source, deletes, via, shred, by, at } = event;
  return {
    id,
    subject,
    subjectHash,
    kind,
    source,
    deletes,
    shred: shred ?? null,
    by: via === undefined ? by : `${via} through ${by}`,
    requestedAt: at,
    changedAt: at,
    heldUntil: 0,
    phase: 'requested',
    rows: {},
    keys: [],
    barrier: null,
    ends: new Map(),
    places: [],
    certificate: null,
    lifted: false,
  };
}

function after(known: Erasure, event: Exclude<ErasureEvent, { type: 'requested' }>): Erasure {
  switch (event.type) {
    case 'held':
      return { ...known, heldUntil: event.until };
    case 'found':
      return {
        ...known,
        phase: unconfirmed(known) ? 'found' : known.phase,
        rows: unconfirmed(known) ? most(known.rows, event.rows) : known.rows,
        keys: merged(known.keys, event.keys),
      };
    case 'deleted':
      return {
        ...known,
        phase: 'deleted',
        rows: unconfirmed(known) ? most(known.rows, event.rows) : added(known.rows, event.rows),
        keys: merged(known.keys, event.keys),
        barrier: event.barrier,
      };
    case 'passed':
      return { ...known, phase: 'passed', ends: new Map(Object.entries(event.ends)) };
    case 'looked':
      return { ...known, places: event.places };
    case 'lifted':
      return { ...known, lifted: true };
    case 'completed':
      return {
        ...known,
        phase: 'completed',
        places: event.certificate.body.places,
        certificate: event.certificate,
      };
  }
}

export function refusal(state: JournalState, event: ErasureEvent): string | null {
  const known = state.erasures.get(event.erasure);
  if (event.type === 'requested') return known ? 'this erasure was requested already' : null;
  if (!known) return `there is no erasure ${event.erasure}`;
  if (event.type === 'lifted') return known.lifted ? 'this erasure was lifted already' : null;
  if (known.phase === 'completed') return 'this erasure has its certificate already';
  if (event.type === 'passed') {
    if (known.phase === 'passed') return 'this erasure has passed already';
    return event.barrier === known.barrier ? null : 'rows of this erasure were deleted once more';
  }
  if ((event.type === 'looked' || event.type === 'completed') && known.phase !== 'passed')
    return 'this erasure has not passed its source';
  if (event.type !== 'completed') return null;
  // Of two certificates that were made at once only one can be the next of the chain.
  return event.certificate.body.number === state.chain.length + 1
    ? null
    : 'another certificate was added to the chain meanwhile';
}

/** Nobody has said yet that its deletes were committed. */
const unconfirmed = ({ phase }: Erasure): boolean => phase === 'requested' || phase === 'found';

/** Rows that are found again may be those that were found before. */
function most(
  known: Readonly<Record<string, number>>,
  more: Readonly<Record<string, number>>,
): Record<string, number> {
  const all: Record<string, number> = { ...known };
  for (const [table, count] of Object.entries(more)) all[table] = Math.max(all[table] ?? 0, count);
  return all;
}

function added(
  known: Readonly<Record<string, number>>,
  more: Readonly<Record<string, number>>,
): Record<string, number> {
  const sum: Record<string, number> = { ...known };
  for (const [table, count] of Object.entries(more)) sum[table] = (sum[table] ?? 0) + count;
  return sum;
}

function merged(known: readonly ErasedKeys[], more: readonly ErasedKeys[]): ErasedKeys[] {
  const all = new Map<string, Set<string>>();
  for (const { topic, hashes } of [...known, ...more]) {
    const set = all.get(topic) ?? new Set<string>();
    all.set(topic, set);
    for (const hash of hashes) set.add(hash);
  }
  return [...all].map(([topic, hashes]) => ({ topic, hashes: [...hashes] }));
}
