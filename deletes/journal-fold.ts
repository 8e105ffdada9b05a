import { laterPoint, type SourcePoint } from '../connectors/source/point.ts';
import { type Certificate, follows } from './certificate.ts';
import { joined, joinedOwners, merged, without, withoutOwners } from './hash-lists.ts';
import type { Erasure, ErasureEvent, JournalState, Others, Round } from './journal.ts';
import { placeId } from './place.ts';

interface Mutable {
  erasures: Map<string, Erasure>;
  chain: Certificate[];
  breaks: Certificate[];
  events: ErasureEvent[];
}

/**
 * The state after an event that is not refused: another object, so that whoever follows sees that it is another,
 * but with the same map and lists, which grow. Copies of them would make the time for n erasures n².
 */
export function fold(state: JournalState, event: ErasureEvent): JournalState {
  const { erasures, chain, breaks, events } = state as Mutable;
  const id = event.erasure;
  erasures.set(id, { ...next(erasures.get(id), event), changedAt: event.at });
  if (event.type === 'completed') link(event.certificate, { chain, breaks });
  events.push(event);
  return { erasures, chain, breaks, events };
}

/** Puts a certificate where it stands; behind one that was missing, those that waited for it. */
function link(certificate: Certificate, { chain, breaks }: Pick<Mutable, 'chain' | 'breaks'>): void {
  breaks.push(certificate);
  breaks.sort((a, b) => a.body.number - b.body.number);
  for (let next = 0; next >= 0; ) {
    next = breaks.findIndex((one) => follows(chain, one));
    if (next >= 0) chain.push(...breaks.splice(next, 1));
  }
}

function next(known: Erasure | undefined, event: ErasureEvent): Erasure {
  if (event.type === 'requested') return known ? requestedMore(known, event) : begun(event);
  if (event.type === 'completed') return after(known ?? unrequested(event), event);
  return after(known!, event);
}

/** All that is known of an erasure whose certificate is there and whose request is not. */
function unrequested({ id, erasure, certificate }: ErasureEvent & { type: 'completed' }): Erasure {
  const { subject, subjectHash, requestedAt, by, rows } = certificate.body;
  const frame = { id, at: Date.parse(requestedAt), by, erasure };
  const of = { subject, subjectHash, kind: 'source', source: null, deletes: true } as const;
  return { ...begun({ type: 'requested', ...frame, ...of }), rows };
}

function begun(event: ErasureEvent & { type: 'requested' }): Erasure {
  const {
    erasure: id,
    subject,
    subjectHash,
    kind,
    source,
    deletes,
    via,
    shred,
    keys,
    valuesSeen,
    more,
    by,
    at,
  } = event;
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
    requesting: more ?? false,
    rounds: [],
    outcomes: new Map(),
    tracked: null,
    rows: {},
    keys: merged(keys ?? []),
    overwritten: [],
    owners: [],
    point: null,
    former: [],
    formerOf: null,
    barrier: null,
    ends: new Map(),
    places: [],
    valuesSeen: new Map(Object.entries(valuesSeen ?? {})),
    certificate: null,
    lifted: false,
  };
}

const requestedMore = (known: Erasure, { keys, more }: ErasureEvent & { type: 'requested' }): Erasure => ({
  ...known,
  keys: merged(known.keys, keys ?? []),
  requesting: more ?? false,
});

function after(known: Erasure, event: Exclude<ErasureEvent, { type: 'requested' }>): Erasure {
  switch (event.type) {
    case 'held':
      return { ...known, heldUntil: event.until };
    case 'found':
      return inPhase(found(known, event));
    case 'deleted':
      if (event.tracked?.more) return settling(known, event.barrier, event.tracked);
      return { ...deleted(known, event), phase: 'deleted', barrier: event.barrier };
    case 'undone':
      return inPhase(ended(known, event.barrier, 'undone'));
    case 'passed':
      return { ...known, phase: 'passed', ends: new Map(Object.entries(event.ends)) };
    case 'looked':
      return { ...known, places: event.places, valuesSeen: seen(known.valuesSeen, event) };
    case 'former':
      return {
        ...known,
        former: [...known.former, ...event.keys.map((of) => ({ ...of, point: event.point }))],
        owners: [...known.owners, ...event.owners.map((of) => ({ ...of, point: event.point, former: true }))],
        formerOf: event.more ? known.formerOf : event.barrier,
      };
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

/** Only who knows the values can see that one is gone. */
function seen(
  before: ReadonlyMap<string, number>,
  { places, valued }: ErasureEvent & { type: 'looked' },
): ReadonlyMap<string, number> {
  const all = new Map(before);
  for (const place of places) {
    if (place.valueSeenAt !== undefined) all.set(placeId(place), place.valueSeenAt);
    else if (valued && place.state !== 'pending') all.delete(placeId(place));
  }
  return all;
}

/** Until something is known to be gone, it is `found` as long as all is known that may be. */
function inPhase(erasure: Erasure): Erasure {
  const { kind, phase, rounds, tracked } = erasure;
  if (kind === 'topic' || (phase !== 'requested' && phase !== 'found')) return erasure;
  const noted = rounds.some((round) => round.whole) || tracked?.whole;
  return { ...erasure, phase: noted ? 'found' : 'requested' };
}

function found(known: Erasure, event: ErasureEvent & { type: 'found' }): Erasure {
  const { id, rows, round, owners = [] } = event;
  // The key of a topic is deleted whatever happens, and there is no transaction.
  if (known.kind === 'topic') {
    const phase = known.phase === 'requested' ? 'found' : known.phase;
    return { ...known, phase, rows: { [known.subject]: 1 }, keys: merged(known.keys, rows) };
  }
  if (round)
    return { ...known, rounds: withPart(known.rounds, { ...round, rows, owners, whole: !event.more }) };
  const { tracked } = known;
  return {
    ...known,
    tracked: {
      last: id,
      whole: !event.more,
      rows: joined([...(tracked?.rows ?? []), ...rows]),
      owners: joinedOwners([...(tracked?.owners ?? []), ...owners]),
      settling: tracked?.settling ?? new Map(),
    },
  };
}

/** Parts are joined when all are there: with each that comes it would take their number times as long. */
function withPart(rounds: readonly Round[], part: Round): readonly Round[] {
  const known = rounds.find((round) => round.barrier === part.barrier);
  if (!known) return [...rounds, part];
  const more: Round = {
    ...known,
    rows: [...known.rows, ...part.rows],
    owners: [...known.owners, ...part.owners],
    whole: known.whole || part.whole,
  };
  return rounds.map((round) => (round === known ? more : round));
}

/** By its barrier: two processes may tell of the same rows at once, and what one of them has told is not all. */
function settling(known: Erasure, barrier: string, others: Partial<Others>): Erasure {
  const tracked = known.tracked!;
  const told = othersOf(tracked.settling.get(barrier), others);
  return { ...known, tracked: { ...tracked, settling: new Map(tracked.settling).set(barrier, told) } };
}

const othersOf = (told: Others | undefined, { kept = [], owners = [] }: Partial<Others>): Others => ({
  kept: [...(told?.kept ?? []), ...kept],
  owners: [...(told?.owners ?? []), ...owners],
});

function deleted(known: Erasure, event: ErasureEvent & { type: 'deleted' }): Erasure {
  if (event.tracked) {
    const { point } = event.tracked;
    const of = known.tracked!;
    const { kept, owners } = othersOf(of.settling.get(event.barrier), event.tracked);
    const gone = { rows: without(of.rows, kept), owners: withoutOwners(of.owners, owners), point };
    return { ...erased(known, gone), tracked: null };
  }
  const round = known.rounds.find((one) => one.barrier === event.barrier)!;
  const rows = joined(round.rows);
  const gone = { rows, owners: joinedOwners(round.owners), point: round.point };
  const left = known.tracked && { ...known.tracked, rows: without(known.tracked.rows, rows) };
  const tracked = left?.rows.some((of) => of.hashes.length > 0) ? left : null;
  return { ...erased(ended(known, event.barrier, 'committed'), gone), tracked };
}

const ended = (known: Erasure, barrier: string, how: 'committed' | 'undone'): Erasure => ({
  ...known,
  rounds: known.rounds.filter((round) => round.barrier !== barrier),
  outcomes: new Map(known.outcomes).set(barrier, how),
});

/** Counts them: deleted rows are others each time, those that are overwritten may be the same. */
function erased(
  known: Erasure,
  gone: Pick<Round, 'rows' | 'owners'> & { readonly point?: SourcePoint | undefined },
): Erasure {
  const { rows: noted, owners, point } = gone;
  const rows: Record<string, number> = { ...known.rows };
  const overwritten = new Map<string, number>();
  for (const of of noted) {
    if (of.hashes.length > 0) rows[of.table] = (rows[of.table] ?? 0) + of.hashes.length;
    if (of.overwritten > 0) overwritten.set(of.table, (overwritten.get(of.table) ?? 0) + of.overwritten);
  }
  for (const [table, count] of overwritten) rows[table] = Math.max(rows[table] ?? 0, count);
  const stays = noted.flatMap((of) =>
    point && of.overwritten > 0 ? [{ topic: of.topic, hashes: of.stays ?? [], point }] : [],
  );
  return {
    ...known,
    rows,
    keys: merged(known.keys, noted),
    overwritten: [...known.overwritten, ...stays],
    owners: point
      ? [...known.owners, ...owners.map((of) => ({ ...of, point, former: false }))]
      : known.owners,
    point: point && known.point ? laterPoint(known.point, point) : (point ?? known.point),
  };
}

export function refusal(state: JournalState, event: ErasureEvent): string | null {
  const known = state.erasures.get(event.erasure);
  // What nobody can have written but behind certificates that are not here any more is kept, and shows the break.
  if (event.type === 'completed' && beyond(state, event.certificate)) return null;
  if (event.type === 'requested')
    return known && !known.requesting ? 'this erasure was requested already' : null;
  if (!known) return `there is no erasure ${event.erasure}`;
  if (event.type === 'lifted') return known.lifted ? 'this erasure was lifted already' : null;
  if (known.phase === 'completed') return 'this erasure has its certificate already';
  if (known.requesting) return 'a part of its request is missing';
  if (event.type === 'deleted' && event.tracked)
    return known.tracked?.last === event.tracked.last
      ? null
      : 'what the application was to delete is settled already, or there is more of it';
  if (event.type === 'deleted' || event.type === 'undone') {
    const round = known.rounds.find((of) => of.barrier === event.barrier);
    if (!round) return 'no such transaction is open';
    return event.type === 'undone' || round.whole ? null : 'not all of its rows are written down';
  }
  if (event.type === 'found')
    return event.round && known.outcomes.has(event.round.barrier) ? 'this transaction has ended' : null;
  if (event.type === 'passed') {
    if (known.phase === 'passed') return 'this erasure has passed already';
    if (known.kind === 'source' && known.phase !== 'deleted') return 'nothing of this erasure is deleted yet';
    return event.barrier === known.barrier ? null : 'rows of this erasure were deleted once more';
  }
  if (event.type === 'held') return null;
  if (known.phase !== 'passed') return 'this erasure has not passed its source';
  if (event.type === 'former') {
    if (event.barrier !== known.barrier) return 'rows of this erasure were deleted once more';
    return known.formerOf === event.barrier ? 'what was there before is known already' : null;
  }
  if (unsettled(known)) return 'rows of this erasure may just be deleted';
  if (event.type !== 'completed') return null;
  // Of two certificates that were made at once only one can be the next of the chain.
  return event.certificate.body.number === state.chain.length + 1
    ? null
    : 'another certificate was added to the chain meanwhile';
}

/** True of a certificate that was signed behind others than the chain has; each once. */
function beyond({ chain, breaks }: JournalState, certificate: Certificate): boolean {
  const { number, erasure } = certificate.body;
  return (
    number > chain.length + 1 &&
    !breaks.some(({ body }) => body.number === number && body.erasure === erasure)
  );
}

/** Rows of it may be gone or not: until that is known nothing is certified. */
export const unsettled = ({ rounds, tracked }: Erasure): boolean => rounds.length > 0 || tracked !== null;
