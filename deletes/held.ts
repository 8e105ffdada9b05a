import type { SourceEraser } from '../connectors/source/erasure.ts';
import { accepted } from './accepted.ts';
import type { Journal } from './journal.ts';

/** So long daemons wait for a process that held an erasure and was killed. */
const heldMs = 300_000;
const renewMs = 120_000;

/** The erasures that this process finishes itself: says so in the journal, and again before it is over. */
export class HeldErasures {
  readonly #journal: Journal;
  readonly #ids = new Set<string>();
  #renewal: NodeJS.Timeout | null = null;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Doing it again changes nothing. */
  async add(erasure: string): Promise<void> {
    if (this.#ids.has(erasure)) return;
    this.#ids.add(erasure);
    // What fails here fails again where it matters, and there it is told.
    this.#renewal ??= setInterval(() => void this.#say(Date.now() + heldMs).catch(() => {}), renewMs).unref();
    await this.#hold(erasure, Date.now() + heldMs);
  }

  /** Gives free what is not completed. */
  async release(): Promise<void> {
    if (this.#renewal) clearInterval(this.#renewal);
    await this.#say(0);
    this.#ids.clear();
  }

  async #say(until: number): Promise<void> {
    for (const id of this.#ids)
      if (this.#journal.state.erasures.get(id)?.phase !== 'completed') await this.#hold(id, until);
  }

  async #hold(erasure: string, until: number): Promise<void> {
    // Refused when it got its certificate meanwhile.
    await accepted(this.#journal.record({ type: 'held', erasure, until }));
  }
}

/** The eraser, with `hold` awaited before anything is deleted: no daemon can see deletes of an erasure that is not held. */
export const heldWhenErased = (
  eraser: SourceEraser,
  hold: (erasure: string) => Promise<void>,
): SourceEraser => ({
  check: (subject) => eraser.check(subject),
  find: (subject, id) => eraser.find(subject, id),
  outcome: (transaction) => eraser.outcome(transaction),
  foreignKeys: () => eraser.foreignKeys(),
  close: () => eraser.close(),
  erase: async (subject, id, erasure) => {
    await hold(erasure.id);
    return eraser.erase(subject, id, erasure);
  },
  follow: async (subject, id, request) => {
    await hold(request.id);
    return eraser.follow(subject, id, request);
  },
  mark: (erasure) => eraser.mark(erasure),
});
