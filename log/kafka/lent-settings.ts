import type { Admin } from 'kafkajs';
import type { FormerSettings, SettingsJournal } from './settings-journal.ts';
import { type OwnSettings, readOwnSettings, sameSettings, writeOwnSettings } from './topic-settings.ts';

/**
 * Settings that topics have for a while. Kafka's AlterConfigs, the only such request that kafkajs has, replaces
 * everything that a topic says of itself, so what else it says is read first and sent along. The former values are
 * durable in a journal before anything changes: after a crash `mend` puts them back.
 */
export class LentSettings {
  readonly #admin: Admin;
  readonly #journal: SettingsJournal;
  /** Every name that is ever lent, and the values that may be. A value among them is taken for ours. */
  readonly #ours: ReadonlyMap<string, string>;
  readonly #former = new Map<string, FormerSettings>();

  constructor(parts: { admin: Admin; journal: SettingsJournal; ours: ReadonlyMap<string, string> }) {
    this.#admin = parts.admin;
    this.#journal = parts.journal;
    this.#ours = parts.ours;
  }

  /**
   * Lends the topics those of the settings that are named, and takes the others back. Does nothing for topics that
   * have just these. Another process that compacts the same topic may take them back: then call again.
   */
  async lend(topics: readonly string[], names: readonly string[]): Promise<void> {
    const changes = new Map<string, OwnSettings>();
    const former = new Map<string, FormerSettings>();
    const present = await readOwnSettings(this.#admin, topics);
    const foreign = [...present].some(([topic, own]) => !this.#former.has(topic) && this.#anyOf(own));
    const journal = foreign ? await this.#journal.all() : null;
    for (const [topic, own] of present) {
      const before = this.#formerOf(own, this.#former.get(topic) ?? journal?.get(topic));
      const wanted = new Map(own);
      for (const [name, value] of this.#ours) {
        const plain = before[name] ?? null;
        if (names.includes(name)) wanted.set(name, value);
        else if (plain === null) wanted.delete(name);
        else wanted.set(name, plain);
      }
      this.#former.set(topic, before);
      if (sameSettings(own, wanted)) continue;
      changes.set(topic, wanted);
      former.set(topic, before);
    }
    if (changes.size === 0) return;
    await this.#journal.remember(former);
    await writeOwnSettings(this.#admin, changes);
  }

  /** Puts the former values back, of the topics that were lent some, save where somebody else changed them. */
  async giveBack(): Promise<void> {
    await this.#restore(this.#former);
    this.#former.clear();
  }

  /** Gives back what processes that died had lent. One that lives lends it anew as soon as it looks. */
  async mend(): Promise<void> {
    await this.#restore(await this.#journal.all());
  }

  async #restore(former: ReadonlyMap<string, FormerSettings>): Promise<void> {
    if (former.size === 0) return;
    const changes = new Map<string, OwnSettings>();
    const existing = new Set(await this.#admin.listTopics());
    const topics = [...former.keys()].filter((topic) => existing.has(topic));
    for (const [topic, own] of await readOwnSettings(this.#admin, topics)) {
      const restored = new Map(own);
      for (const [name, value] of Object.entries(former.get(topic) ?? {})) {
        if (own.get(name) !== this.#ours.get(name)) continue;
        if (value === null) restored.delete(name);
        else restored.set(name, value);
      }
      if (!sameSettings(own, restored)) changes.set(topic, restored);
    }
    await writeOwnSettings(this.#admin, changes);
    await this.#journal.forget([...former.keys()]);
  }

  #anyOf(own: OwnSettings): boolean {
    return [...this.#ours].some(([name, value]) => own.get(name) === value);
  }

  /** A value that is not ours is what somebody wants now; in the place of ours the journal knows what was there. */
  #formerOf(own: OwnSettings, known: FormerSettings | undefined): FormerSettings {
    const former: Record<string, string | null> = {};
    for (const [name, value] of this.#ours) {
      const present = own.get(name) ?? null;
      former[name] = present === value && known && name in known ? (known[name] ?? null) : present;
    }
    return former;
  }
}
