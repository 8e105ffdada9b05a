import type { SourceEraser } from '../connectors/source/erasure.ts';
import { InsideoutError } from '../core/errors.ts';
import { type Begun, requestErasure, trackErasure } from '../deletes/erase.ts';
import { type ErasureKey, loadErasureKey } from '../deletes/erasure-key.ts';
import { finishErasures } from '../deletes/finish.ts';
import { HeldErasures, heldWhenErased } from '../deletes/held.ts';
import { type Erasure, type Journal, openJournal } from '../deletes/journal.ts';
import { type KeptDifferences, keepJournal, keptJournalFile } from '../deletes/kept-journal.ts';
import type { LookParts } from '../deletes/look.ts';
import type { Place } from '../deletes/place.ts';
import { shredKeys } from '../deletes/shredding-place.ts';
import type { Subject } from '../deletes/subject.ts';
import { type RowsLeft, rowsLeft } from '../deletes/table-places.ts';
import { joinedValues, type KnownValues, nothingKnown } from '../deletes/target.ts';
import { retentionWarnings } from '../deletes/tombstones.ts';
import { deleteKeys, newDelete } from '../deletes/topic-deletes.ts';
import type { GivenKey } from '../deletes/topic-key.ts';
import { type Verification, verifyErasures } from '../deletes/verify.ts';
import type { CheckedConfig } from './config/check.ts';
import { Management } from './management.ts';
import { sourceEraser } from './wiring.ts';

export type OnPlaces = (places: ReadonlyMap<string, readonly Place[]>) => void;

export interface BeginOptions {
  readonly tracked?: ((rows: number) => Promise<void>) | null;
  readonly held?: boolean;
}

/** What is done about erasures: with connections of its own, beside the daemons that carry the deletes. */
export class Erasures {
  readonly config: CheckedConfig;
  readonly journal: Journal;
  readonly #management: Management;
  readonly #erasers = new Map<string, SourceEraser>();
  readonly #held: HeldErasures;
  /** As of when this was opened. */
  #kept: KeptDifferences = { altered: [], missing: [] };
  /** What only this process knows of erasures that it began: ids and values are never stored. */
  readonly #known = new Map<string, { subject: Subject; id: string; values: KnownValues }>();

  private constructor(management: Management, journal: Journal) {
    this.config = management.config;
    this.#management = management;
    this.journal = journal;
    this.#held = new HeldErasures(journal);
  }

  /** Errors: `LOG_UNREACHABLE` where nothing has run yet. */
  static async open(config: CheckedConfig): Promise<Erasures> {
    const management = await Management.open(config);
    try {
      const erasures = new Erasures(management, await openJournal(management.log, config.namespace));
      erasures.#kept = await erasures.#keep();
      return erasures;
    } catch (error) {
      await management.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    // A Log that did not take an event takes none after it: what is held then is free in a few minutes all the same.
    if (!this.journal.failed) await this.#held.release().catch(() => {});
    for (const eraser of this.#erasers.values()) await eraser.close();
    try {
      if (!this.journal.failed) await this.#keep();
    } finally {
      await this.journal.close();
      await this.#management.close();
    }
  }

  /** Errors: `USAGE`. */
  subject(name: string): Subject {
    const subject = this.config.subjects[name];
    if (subject) return subject;
    throw new InsideoutError('USAGE', `There is no subject "${name}" in the config.`, {
      hint: `Known: ${Object.keys(this.config.subjects).join(', ') || 'none; `insideout subjects suggest` proposes one'}.`,
    });
  }

  /** Errors: `ERASURE_UNKNOWN`. */
  erasure(id: string): Erasure {
    const whole = this.journal.state.erasures.get(id);
    if (whole) return whole;
    const matches = [...this.journal.state.erasures.values()].filter((e) => e.id.startsWith(id));
    if (matches.length === 1) return matches[0]!;
    throw new InsideoutError(
      'ERASURE_UNKNOWN',
      matches.length === 0 ? `There is no erasure ${id}.` : `${matches.length} erasures begin with ${id}.`,
      { hint: 'See `insideout erasures`; the first characters of an id suffice when they are of one only.' },
    );
  }

  /**
   * Erases the subject in its source; one that was begun before and is not completed is gone on with. `tracked`:
   * only follows the deletes that the application makes, and waits for them. `held`: this process finishes it as
   * well, so daemons leave it to it, until this is closed.
   */
  async begin(
    subject: Subject,
    id: string,
    { tracked = null, held = false }: BeginOptions = {},
  ): Promise<Erasure> {
    const key = this.#key(true);
    const opened = this.eraser(subject.source);
    const eraser = held ? heldWhenErased(opened, (erasure) => this.#held.add(erasure)) : opened;
    const shred = this.config.erasure.shred ?? null;
    const parts = { journal: this.journal, eraser, hasher: key.hasher, shred };
    const begun: Begun = tracked
      ? await trackErasure(subject, id, { ...parts, wait: tracked })
      : await requestErasure(subject, id, parts);
    shredKeys([begun.erasure], shred);
    const before = this.#known.get(begun.erasure.id)?.values ?? nothingKnown;
    this.#known.set(begun.erasure.id, { subject, id, values: joinedValues(before, begun.known) });
    return begun.erasure;
  }

  /** Deletes keys from a topic that no source writes. Errors: those of `deleteKeys`. */
  deleteKeys(topic: string, keys: readonly GivenKey[], signal: AbortSignal): Promise<Erasure[]> {
    const { config, journal } = this;
    return deleteKeys(
      topic,
      keys.map((key) => newDelete(key)),
      {
        log: this.#management.log,
        journal,
        hasher: this.#key(true).hasher,
        namespace: config.namespace,
        sources: Object.keys(config.sources),
        signal,
      },
    );
  }

  /** Where the Log may forget a tombstone of these erasures before the slowest view has read it; a sentence each. */
  async warnings(ids: readonly string[], signal: AbortSignal): Promise<string[]> {
    const topics = new Set(ids.flatMap((id) => this.erasure(id).keys.map((k) => k.topic)));
    const { catalog, log, stores } = this.#management;
    return retentionWarnings([...topics], { log, catalog, store: stores.get, signal });
  }

  /** Takes erasures as far as they go; those of each source together. `patienceMs`: that of `finishErasures`. */
  async finish(
    ids: readonly string[],
    signal: AbortSignal,
    { onPlaces, patienceMs }: { onPlaces?: OnPlaces; patienceMs?: number } = {},
  ): Promise<Erasure[]> {
    const key = this.#key(false);
    const finished: Erasure[] = [];
    const bySource = new Map<string, string[]>();
    for (const id of ids) {
      const source = this.erasure(id).source ?? '';
      bySource.set(source, [...(bySource.get(source) ?? []), id]);
    }
    for (const [source, group] of bySource)
      finished.push(
        ...(await finishErasures(group, {
          ...this.#lookParts(key, signal),
          journal: this.journal,
          key,
          kept: {
            file: keptJournalFile({ key: this.config.erasure.key, namespace: this.config.namespace }),
            altered: this.#kept.altered,
          },
          namespace: this.config.namespace,
          origin: source === '' ? null : { source, eraser: this.eraser(source) },
          known: new Map([...this.#known].map(([id, { values }]) => [id, values])),
          left: (id) => this.#left(id),
          patienceMs,
          ...(onPlaces ? { onPlaces } : {}),
        })),
      );
    return finished;
  }

  /** `head`: hash of a certificate that somebody kept and that must be in the chain. */
  verify(erasures: readonly Erasure[], signal: AbortSignal, head?: string): Promise<Verification[]> {
    const key = this.#key(false);
    const { journal } = this;
    return verifyErasures(erasures, {
      ...this.#lookParts(key, signal),
      journal,
      key,
      head,
      kept: this.#kept,
    });
  }

  eraser(source: string): SourceEraser {
    const known = this.#erasers.get(source) ?? sourceEraser(this.config, source);
    this.#erasers.set(source, known);
    return known;
  }

  #keep(): Promise<KeptDifferences> {
    const { journal, config } = this;
    const { namespace, erasure } = config;
    return keepJournal({ log: this.#management.log, journal, namespace, key: erasure.key });
  }

  #key(create: boolean): ErasureKey {
    return loadErasureKey(this.config.erasure.key, {
      // With certificates there was a key once: a new one would prove nothing about them.
      create: create && this.journal.state.erasures.size === 0,
    });
  }

  async #left(erasure: string): Promise<Readonly<Record<string, RowsLeft>> | null> {
    const known = this.#known.get(erasure);
    if (!known) return null;
    const { rows } = await this.eraser(known.subject.source).find(known.subject, known.id);
    return rowsLeft(known.subject, rows);
  }

  #lookParts(key: ErasureKey, signal: AbortSignal): LookParts {
    const { catalog, log, stores } = this.#management;
    const { config } = this;
    return {
      log,
      logFiles: config.log.kind === 'embedded' ? [config.log.path, `${config.log.path}-wal`] : null,
      catalog,
      store: stores.get,
      places: config.views.map(({ shape, store }) => ({ view: shape.name, store })),
      hasher: key.hasher,
      shred: config.erasure.shred ?? null,
      signal,
    };
  }
}
