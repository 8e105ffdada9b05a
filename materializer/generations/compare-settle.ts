import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import type { Generation } from '../../connectors/sink/view-store.ts';
import type { Checkpoint } from '../../core/position.ts';
import type { Row } from '../../core/value.ts';
import type { Key } from '../../core/view.ts';
import type { Candidate } from './compare-candidates.ts';
import { type Hash64, type RowHasher, sameHash } from './compare-hash.ts';
import { hasherOf, type Scope } from './compare-scan.ts';

export interface Settled {
  /** Candidates that turned out to be the same. */
  readonly equal: number;
  /** Those that differ, with the rows as they were last read. */
  readonly different: readonly { readonly key: Key; readonly blue: Row | null; readonly green: Row | null }[];
  /** Those that both sides wrote too often to be met in the same state. */
  readonly undecided: number;
  /** False when the side that is behind stood still, so that what differs may be what it has not applied yet. */
  readonly caughtUp: boolean;
}

const keysPerRead = 256;
const firstPauseMs = 10;
const longestPauseMs = 250;

/**
 * Tells keys that differed because one side was a little ahead from those that really differ. They are read again
 * until they are the same, or `settleMs` have passed and both sides have applied what either had applied at first.
 *
 * What is left then differs for certain when one side shows the same row from before the other has overtaken it
 * until it has overtaken the other: each had applied every change of the key that the other had. A key that both
 * sides wrote meanwhile is taken for the same when one showed a row that the other had shown, too, and is
 * watched for another `settleMs` otherwise; then it stays undecided.
 */
export async function settle(
  candidates: readonly Candidate[],
  sides: readonly [Generation, Generation],
  scope: Scope & { readonly settleMs: number },
): Promise<Settled> {
  const { settleMs, signal } = scope;
  const hasher = hasherOf(scope);
  const start = performance.now();
  const elapsed = () => performance.now() - start;
  let open = candidates.map(
    ({ key, blue, green }): Open => ({ key, blue: new Versions(blue), green: new Versions(green) }),
  );
  const round = async () => {
    signal.throwIfAborted();
    await readAgain(open, sides, hasher);
    open = open.filter(({ blue, green }) => !sameHash(blue.last, green.last));
  };
  const roundsUntil = async (done: () => Promise<boolean>) => {
    for (let pause = firstPauseMs; ; pause = Math.min(2 * pause, longestPauseMs)) {
      const began = performance.now();
      await round();
      if (open.length === 0 || (await done())) return;
      await wait(Math.max(pause, performance.now() - began), undefined, { signal });
    }
  };
  const chase = chaseOf(sides, settleMs);
  await chase.begin();
  await roundsUntil(async () => elapsed() >= settleMs && (await chase.over()));
  const steady: Open[] = [];
  do {
    for (const { blue, green } of open) {
      blue.mark();
      green.mark();
    }
    for (let overtaken = 0; overtaken < 2 && open.length > 0; overtaken++) {
      await chase.begin();
      await roundsUntil(chase.over);
      await round();
    }
    steady.push(...open.filter(isSteady));
    open = open.filter((key) => !isSteady(key) && !key.blue.met(key.green));
  } while (open.length > 0 && elapsed() < 2 * settleMs);
  const different = await rowsThatDiffer(steady, sides, hasher);
  const undecided = open.length;
  const equal = candidates.length - different.length - undecided;
  return { equal, different, undecided, caughtUp: !chase.stuck() };
}

const isSteady = ({ blue, green }: Open): boolean => !blue.changed || !green.changed;

interface Open {
  readonly key: Key;
  readonly blue: Versions;
  readonly green: Versions;
}

/** The rows that one side showed for a key, as hashes. The set is made only when there is more than one. */
class Versions {
  last: Hash64;
  /** Whether another row was shown since the last mark. */
  changed = false;
  #seen: Set<string> | null = null;

  constructor(first: Hash64) {
    this.last = first;
  }

  add(hash: Hash64): void {
    if (sameHash(hash, this.last)) return;
    this.#seen ??= new Set([textOf(this.last)]);
    this.#seen.add(textOf(hash));
    this.last = hash;
    this.changed = true;
  }

  mark(): void {
    this.changed = false;
  }

  /** Whether both showed several rows, and one of them the same. */
  met(other: Versions): boolean {
    if (!this.#seen || !other.#seen) return false;
    for (const text of this.#seen) if (other.#seen.has(text)) return true;
    return false;
  }
}

const textOf = ({ high, low }: Hash64): string => `${high}/${low}`;

async function readAgain(
  open: readonly Open[],
  sides: readonly [Generation, Generation],
  hasher: RowHasher,
): Promise<void> {
  for await (const { at, blue, green } of read(open, sides))
    for (let i = 0; i < blue.length; i++) {
      open[at + i]!.blue.add(hasher.row(blue[i]!));
      open[at + i]!.green.add(hasher.row(green[i]!));
    }
}

async function rowsThatDiffer(
  open: readonly Open[],
  sides: readonly [Generation, Generation],
  hasher: RowHasher,
): Promise<{ key: Key; blue: Row | null; green: Row | null }[]> {
  const different: { key: Key; blue: Row | null; green: Row | null }[] = [];
  for await (const { at, blue, green } of read(open, sides))
    for (let i = 0; i < blue.length; i++)
      if (!sameHash(hasher.row(blue[i]!), hasher.row(green[i]!)))
        different.push({ key: open[at + i]!.key, blue: blue[i]!, green: green[i]! });
  return different;
}

async function* read(keys: readonly { readonly key: Key }[], sides: readonly [Generation, Generation]) {
  for (let at = 0; at < keys.length; at += keysPerRead) {
    const part = keys.slice(at, at + keysPerRead).map(({ key }) => key);
    const [blue, green] = await Promise.all([sides[0].getMany(part), sides[1].getMany(part)]);
    yield { at, blue, green };
    await turn();
  }
}

/** Watches whether both sides have come to where the one that was ahead was when the chase began. */
function chaseOf(sides: readonly [Generation, Generation], patienceMs: number) {
  const checkpoints = () => Promise.all([sides[0].checkpoint(), sides[1].checkpoint()]);
  let target: Checkpoint = new Map();
  let missing = Number.POSITIVE_INFINITY;
  let movedAt = 0;
  let stuck = false;
  return {
    stuck: () => stuck,
    async begin(): Promise<void> {
      target = furthest(await checkpoints());
      missing = Number.POSITIVE_INFINITY;
    },
    /** True as well when whoever is behind has stood still for so long that waiting is no use. */
    async over(): Promise<boolean> {
      const left = (await checkpoints()).reduce((sum, checkpoint) => sum + distance(checkpoint, target), 0);
      const now = performance.now();
      if (left < missing) movedAt = now;
      missing = left;
      stuck ||= left > 0 && now - movedAt >= patienceMs;
      return left === 0 || stuck;
    },
  };
}

function furthest(checkpoints: readonly Checkpoint[]): Checkpoint {
  const result = new Map<string, number>();
  for (const checkpoint of checkpoints)
    for (const [partition, next] of checkpoint)
      result.set(partition, Math.max(next, result.get(partition) ?? 0));
  return result;
}

function distance(from: Checkpoint, target: Checkpoint): number {
  let left = 0;
  for (const [partition, next] of target) left += Math.max(0, next - (from.get(partition) ?? 0));
  return left;
}
