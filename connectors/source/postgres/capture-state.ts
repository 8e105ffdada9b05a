import type { Log } from '../../../log/log.ts';
import { readToEnd } from '../../../log/read-to-end.ts';

/**
 * How far a table is: `snapshot` while it is read for the first time, `done` when everything of it is in the
 * Log up to the slot, `stopped` when changes of it are missing from the Log, because they were left out until the
 * operator acts or a slot was lost. A stopped table is read again, and its earlier rows go first.
 */
export type TablePhase = 'snapshot' | 'done' | 'stopped';

/**
 * What the source must remember between runs, kept in the Log itself (topic `__insideout.<source>`, compacted,
 * one partition) so that it can never disagree with what the Log holds.
 */
export class CaptureState {
  readonly #log: Log;
  readonly #topic: string;
  readonly #tables: Map<string, TablePhase>;

  #exists: boolean;

  private constructor(parts: {
    log: Log;
    topic: string;
    tables: Map<string, TablePhase>;
    exists: boolean;
  }) {
    this.#log = parts.log;
    this.#topic = parts.topic;
    this.#tables = parts.tables;
    this.#exists = parts.exists;
  }

  /** Creates nothing. */
  static async read(log: Log, source: string): Promise<CaptureState> {
    const topic = stateTopic(source);
    const tables = new Map<string, TablePhase>();
    const exists = (await log.partitions([topic])).has(topic);
    if (exists) await readAll(log, topic, tables);
    return new CaptureState({ log, topic, tables, exists });
  }

  /** To be awaited before anything is set. */
  async ensureTopic(): Promise<void> {
    if (!this.#exists)
      await this.#log.ensureTopics([{ name: this.#topic, partitions: 1, cleanup: 'compact' }]);
    this.#exists = true;
  }

  get(table: string): TablePhase | null {
    return this.#tables.get(table) ?? null;
  }

  /** Names of all tables that it knows, also of those that are not published any more. */
  get tables(): string[] {
    return [...this.#tables.keys()];
  }

  /** True when some table was captured before: then a missing slot means missing changes. */
  get begun(): boolean {
    return [...this.#tables.values()].includes('done');
  }

  /** Durable when it resolves. */
  async set(tables: readonly string[], phase: TablePhase): Promise<void> {
    const changed = tables.filter((name) => this.#tables.get(name) !== phase);
    if (changed.length === 0) return;
    await this.#log.append(
      changed.map((name) => ({
        topic: this.#topic,
        partition: 0,
        key: Buffer.from(name),
        value: Buffer.from(JSON.stringify({ phase })),
        timestamp: Date.now(),
      })),
    );
    for (const name of changed) this.#tables.set(name, phase);
  }
}

export const stateTopic = (source: string): string => `__insideout.${source}`;

async function readAll(log: Log, topic: string, tables: Map<string, TablePhase>): Promise<void> {
  for await (const { records } of readToEnd(log, [topic]))
    for (const { key, value } of records)
      if (key && value) tables.set(key.toString(), JSON.parse(value.toString()).phase);
}
