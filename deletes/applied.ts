import { setTimeout as wait } from 'node:timers/promises';
import { counted } from '../core/counted.ts';
import { type Checkpoint, type Offset, type PartitionKey, parsePartitionKey } from '../core/position.ts';
import { endsOf } from '../log/ends.ts';
import type { Log } from '../log/log.ts';
import type { Catalog } from '../materializer/generations/catalog.ts';
import { exists, type GenerationEntry } from '../materializer/generations/catalog-state.ts';
import { inFeedingOrder } from '../materializer/generations/feeding-order.ts';
import { progressOf, reached, type StoreOf } from '../materializer/generations/progress.ts';

export interface AppliedParts {
  readonly log: Log;
  readonly catalog: Catalog;
  readonly store: StoreOf;
  /** Behind these offsets the topics of sources have the deletes. */
  readonly ends: Checkpoint;
  /** Views of the config: nobody with this config follows any other. */
  readonly places: readonly { readonly view: string }[];
}

/** A generation that has not applied the deletes yet. */
export interface Behind {
  readonly entry: GenerationEntry;
  readonly reason: string;
}

/** Generations that may hold rows of these topics: those that exist, and whose chain of views begins there. */
export const concerned = (catalog: Catalog, topics: ReadonlySet<string>): GenerationEntry[] =>
  catalog.state.generations.filter((g) => exists(g) && topics.has(g.origin.topic));

/** Generations of these topics that were given up with their stores: they hold rows of who is erased later, too. */
export const abandonedOf = (catalog: Catalog, topics: ReadonlySet<string>): GenerationEntry[] =>
  catalog.state.generations.filter((g) => g.state === 'abandoned' && topics.has(g.origin.topic));

const removed = ({ view, generation }: GenerationEntry): string =>
  `Is being removed; should that have been interrupted: \`insideout retire ${view} ${generation}\` goes on with it.`;

/**
 * Follows generations until all have applied what lies before the ends. One that another view feeds must pass the
 * end that its input had when its upstream had passed: so each is asked behind the one that feeds it.
 */
export class AppliedWatch {
  readonly #parts: AppliedParts;
  readonly #topics: ReadonlySet<string>;
  readonly #targets = new Map<string, ReadonlyMap<PartitionKey, Offset>>();
  readonly #done = new Set<string>();

  constructor(parts: AppliedParts) {
    this.#parts = parts;
    this.#topics = new Set([...parts.ends.keys()].map((key) => parsePartitionKey(key).topic));
  }

  /** Who is behind now. */
  async look(): Promise<Behind[]> {
    const { catalog, log, store } = this.#parts;
    await catalog.refresh();
    const behind: Behind[] = [];
    for (const entry of inFeedingOrder(concerned(catalog, this.#topics))) {
      const name = `${entry.view} g${entry.generation}`;
      if (this.#done.has(name)) continue;
      if (entry.state === 'retiring') {
        behind.push({ entry, reason: removed(entry) });
        continue;
      }
      const targets = await this.#targetsOf(entry);
      if (!targets) {
        behind.push({ entry, reason: 'Waits for the view that feeds it.' });
        continue;
      }
      const progress = await progressOf(entry, log, store);
      // One that nobody has opened holds no rows, and will begin behind the deletes or meet them.
      if (!progress.exists || reached(entry, progress, targets)) this.#done.add(name);
      else behind.push({ entry, reason: this.#reason(entry, progress.partitions, targets) });
    }
    return behind;
  }

  async wait(signal: AbortSignal, onBehind: (behind: readonly Behind[]) => void): Promise<void> {
    for (;;) {
      const behind = await this.look();
      onBehind(behind);
      if (behind.length === 0) return;
      await wait(100, undefined, { signal });
    }
  }

  async #targetsOf(entry: GenerationEntry): Promise<ReadonlyMap<PartitionKey, Offset> | null> {
    const name = `${entry.view} g${entry.generation}`;
    const known = this.#targets.get(name);
    if (known) return known;
    let targets: ReadonlyMap<PartitionKey, Offset>;
    if (entry.input === entry.origin.topic)
      targets = new Map([...this.#parts.ends].filter(([key]) => key.startsWith(`${entry.input}/`)));
    else {
      const upstream = this.#parts.catalog.state.generations.find((g) => g.output === entry.input);
      if (upstream && exists(upstream) && !this.#done.has(`${upstream.view} g${upstream.generation}`))
        return null;
      targets = await endsOf(this.#parts.log, [entry.input]);
    }
    this.#targets.set(name, targets);
    return targets;
  }

  #reason(
    entry: GenerationEntry,
    partitions: readonly { partition: number; next: Offset }[],
    targets: ReadonlyMap<PartitionKey, Offset>,
  ): string {
    const next = new Map(partitions.map((p) => [`${entry.input}/${p.partition}`, p.next]));
    let left = 0;
    for (const [key, target] of targets) left += Math.max(0, target - (next.get(key) ?? 0));
    const followed = this.#parts.places.some(({ view }) => view === entry.view);
    const mend =
      entry.state === 'grace'
        ? `; nobody may be following it: \`insideout retire ${entry.view} ${entry.generation}\` removes it`
        : followed
          ? ''
          : `; the config has no view ${entry.view}: put it back and run it, or remove what it holds with \`insideout retire ${entry.view} --force\``;
    return `${counted(left, 'record')} before the deletes${mend}.`;
  }
}
