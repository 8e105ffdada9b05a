/**
 * What is known of a place that may hold an erased subject:
 * - `pending`: the delete has not got there;
 * - `applied`: it has, but reading back found a trace, which the reason tells;
 * - `verified`: it was read back, and nothing of the subject is there;
 * - `unverifiable`: it cannot be read back from here; the reason says why and what to do.
 */
export type PlaceState = 'pending' | 'applied' | 'verified' | 'unverifiable';

export type PlaceKind =
  | 'table'
  | 'topic'
  | 'dead letters'
  | 'view topic'
  | 'generation'
  | 'log files'
  | 'store files'
  | 'database files'
  | 'keys';

/** One place, and how it stands. Names no row: it goes into certificates. */
export interface Place {
  readonly kind: PlaceKind;
  /** Unique within its kind: a table, a topic, `store/view g3`, a store. */
  readonly name: string;
  readonly state: PlaceState;
  /** How it was found out, or why it cannot be. One sentence. */
  readonly reason: string;
  /** When the state was found, milliseconds since 1970. */
  readonly at: number;
  /** How many records or rows were read to find out; null where nothing is read. */
  readonly read: number | null;
  /**
   * When a value that was the subject's alone was found there, under no key of its; milliseconds since 1970. Only a
   * process that knows the values can tell that it is gone.
   */
  readonly valueSeenAt?: number;
}

export const placeId = (place: Pick<Place, 'kind' | 'name'>): string => `${place.kind} ${place.name}`;

/**
 * Places as a process found them that does not know the values: where one was seen before, that it did not see it
 * does not mean that it is gone.
 */
export const remembered = (places: readonly Place[], valuesSeen: ReadonlyMap<string, number>): Place[] =>
  places.map((place) => {
    const valueSeenAt = valuesSeen.get(placeId(place));
    if (valueSeenAt === undefined || place.valueSeenAt !== undefined) return place;
    if (place.state === 'pending' || place.state === 'applied') return { ...place, valueSeenAt };
    const day = new Date(valueSeenAt).toISOString();
    const reason = `A value of the subject was seen here at ${day}, and no process knows it any more: look for yourself.`;
    return { ...place, state: 'unverifiable', reason, valueSeenAt };
  });

/** True when nothing is left to wait for. */
export const settled = (places: readonly Place[]): boolean =>
  places.every((p) => p.state === 'verified' || p.state === 'unverifiable');

/** True when the same places are in the same states, whatever was counted. */
export const sameStates = (some: readonly Place[], others: readonly Place[]): boolean =>
  statesOf(some) === statesOf(others);

const statesOf = (places: readonly Place[]): string =>
  places
    .map((place) => `${placeId(place)} ${place.state}`)
    .sort()
    .join('\n');
