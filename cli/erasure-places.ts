import type { OnPlaces } from '../daemon/erasures.ts';
import type { Place } from '../deletes/place.ts';
import { table } from './output.ts';

export const placesTable = (places: readonly Place[]): string =>
  table(
    ['PLACE', 'NAME', 'STATE', 'READ', 'HOW'],
    places.map((p) => [p.kind, p.name, p.state, p.read ?? '-', p.reason]),
  );

/** On a terminal the table of places in place, as it changes; elsewhere a line a second with the counts of states. */
export function livePlaces(json: boolean): { show: OnPlaces; stop(): void } {
  if (json) return { show: () => {}, stop: () => {} };
  const tty = process.stderr.isTTY;
  let height = 0;
  let last = '';
  let shownAt = 0;
  const clear = () => {
    if (height > 0) process.stderr.write(`\u001b[${height}A\u001b[0J`);
    height = 0;
  };
  return {
    show: (places) => {
      const [only] = places.values();
      const asTable = tty && places.size === 1 && only !== undefined && only.length > 0;
      const text = asTable ? cut(placesTable(only)) : summary(places);
      if (text === last || (!tty && Date.now() - shownAt < 1_000)) return;
      last = text;
      shownAt = Date.now();
      clear();
      process.stderr.write(`${text}\n`);
      if (tty) height = text.split('\n').length;
    },
    stop: () => {
      if (tty) clear();
    },
  };
}

/** Lines that wrapped could not be gone back over. */
const cut = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.slice(0, (process.stderr.columns ?? 80) - 1))
    .join('\n');

function summary(places: ReadonlyMap<string, readonly Place[]>): string {
  const counts = new Map<string, number>();
  for (const list of places.values())
    for (const { state } of list) counts.set(state, (counts.get(state) ?? 0) + 1);
  const parts = [...counts].map(([state, n]) => `${n} ${state}`);
  const all = [...places.values()].flat();
  const waits = all.find((place) => place.state === 'pending');
  // While places are read back the first of them says nothing.
  const why = waits && counts.size === 1 ? `; ${waits.name}: ${waits.reason}` : '';
  return `${places.size === 1 ? 'places' : `places of ${places.size} erasures`}: ${parts.join(', ') || 'applied everywhere, reading back'}${why}`;
}
