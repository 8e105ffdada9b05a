import type { InsideoutError } from '../../../core/errors.ts';
import { formatLsn, type Lsn, parseLsn } from '../../../core/lsn.ts';
import type { Log, TopicSpec } from '../../../log/log.ts';
import { readToEnd } from '../../../log/read-to-end.ts';
import type { StoppedTable } from '../source.ts';
import { topicOf } from './avro-schema.ts';

/**
 * How far a table is: `snapshot` while it is read for the first time, `done` when everything of it is in the
 * Log up to the slot, `stopped` when changes of it are missing from the Log, because they were left out until the
 * operator acts or a slot was lost. A stopped table is read again, and its earlier rows go first.
 */
export type TablePhase = 'snapshot' | 'done' | 'stopped';

/** How the Log has the rows of a table that is done. */
export interface TableKeys {
  /** See `keyShape` of avro-schema.ts. */
  readonly keyShape: string;
  /** Changes that were committed before, under keys of another shape, are in what was read of the table. */
  readonly since: Lsn;
}

interface TableState {
  readonly phase: TablePhase;
  /** Null until the first change of a table that is captured without a snapshot. */
  readonly keys: TableKeys | null;
  /** Why it is stopped; null also when it only waits to be read again. */
  readonly refused: Refused | null;
}

type Refused = Pick<StoppedTable, 'code' | 'message' | 'mend'>;

/**
 * What the source must remember between runs, kept in the Log itself (topic `__insideout.<source>`, compacted,
 * one partition) so that it can never disagree with what the Log holds.
 */
export class CaptureState {
  readonly #log: Log;
  readonly #source: string;
  readonly #topic: string;
  readonly #tables: Map<string, TableState>;

  #exists: boolean;

  private constructor(parts: {
    log: Log;
    source: string;
    tables: Map<string, TableState>;
    exists: boolean;
  }) {
    this.#log = parts.log;
    this.#source = parts.source;
    this.#topic = stateTopic(parts.source);
    this.#tables = parts.tables;
    this.#exists = parts.exists;
  }

  /** Creates nothing. */
  static async read(log: Log, source: string): Promise<CaptureState> {
    const topic = stateTopic(source);
    const tables = new Map<string, TableState>();
    const exists = (await log.partitions([topic])).has(topic);
    if (exists) await readAll(log, topic, tables);
    return new CaptureState({ log, source, tables, exists });
  }

  /** To be awaited before anything is set. */
  async ensureTopic(): Promise<void> {
    if (!this.#exists) await this.#log.ensureTopics([stateTopicSpec(this.#source)]);
    this.#exists = true;
  }

  get(table: string): TablePhase | null {
    return this.#tables.get(table)?.phase ?? null;
  }

  keys(table: string): TableKeys | null {
    return this.#tables.get(table)?.keys ?? null;
  }

  /** Names of all tables that it knows, also of those that are not published any more. */
  get tables(): string[] {
    return [...this.#tables.keys()];
  }

  /** True when some table was captured before: then a missing slot means missing changes. */
  get begun(): boolean {
    return [...this.#tables.values()].some(({ phase }) => phase === 'done');
  }

  /** The tables that an operator must see to; not those that only wait to be read again. */
  get stopped(): StoppedTable[] {
    return [...this.#tables].flatMap(([table, { refused }]) => {
      const dot = table.indexOf('.');
      const topic = topicOf(this.#source, table.slice(0, dot), table.slice(dot + 1));
      return refused ? [{ table, topic, ...refused }] : [];
    });
  }

  /** A table that is set to `stopped` is read again at the next chance. Durable when it resolves. */
  async set(tables: readonly string[], phase: 'snapshot' | 'stopped'): Promise<void> {
    const changed = tables.filter((name) => {
      const known = this.#tables.get(name);
      return known?.phase !== phase || known.refused !== null;
    });
    await this.#write(new Map(changed.map((name) => [name, { phase, keys: null, refused: null }])));
  }

  /** Nothing more of the table is captured until the error is mended and the source starts. Durable when it resolves. */
  async refuse(table: string, { code, message, hint }: InsideoutError): Promise<void> {
    if (this.#tables.get(table)?.refused?.message === message) return;
    const refused = { code, message, mend: hint };
    await this.#write(new Map([[table, { phase: 'stopped', keys: null, refused }]]));
  }

  /** Everything of these tables is in the Log, under these keys. Durable when it resolves. */
  async done(tables: ReadonlyMap<string, TableKeys | null>): Promise<void> {
    await this.#write(
      new Map([...tables].map(([name, keys]) => [name, { phase: 'done', keys, refused: null }])),
    );
  }

  async #write(states: ReadonlyMap<string, TableState>): Promise<void> {
    if (states.size === 0) return;
    await this.#log.append(
      [...states].map(([name, state]) => ({
        topic: this.#topic,
        partition: 0,
        key: Buffer.from(name),
        value: Buffer.from(format(state)),
        timestamp: Date.now(),
      })),
    );
    for (const [name, state] of states) this.#tables.set(name, state);
  }
}

export const stateTopic = (source: string): string => `__insideout.${source}`;

export const stateTopicSpec = (source: string): TopicSpec => ({
  name: stateTopic(source),
  partitions: 1,
  cleanup: 'compact',
});

async function readAll(log: Log, topic: string, tables: Map<string, TableState>): Promise<void> {
  for await (const { records } of readToEnd(log, [topic]))
    for (const { key, value } of records)
      if (key && value) tables.set(key.toString(), parse(value.toString()));
}

const format = ({ phase, keys, refused }: TableState): string =>
  JSON.stringify(
    phase === 'done'
      ? { phase, keys: keys && { shape: keys.keyShape, since: formatLsn(keys.since) } }
      : { phase, ...(refused ? { refused } : {}) },
  );

/** A table of which nobody knows how its keys were written is read again. */
function parse(text: string): TableState {
  const { phase, keys, refused } = JSON.parse(text) as {
    phase: TablePhase;
    keys?: { shape: string; since: string } | null;
    refused?: Refused;
  };
  if (phase !== 'done') return { phase, keys: null, refused: refused ?? null };
  if (keys === undefined) return { phase: 'stopped', keys: null, refused: null };
  return { phase, refused: null, keys: keys && { keyShape: keys.shape, since: parseLsn(keys.since) } };
}
