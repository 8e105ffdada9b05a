import { InsideoutError } from '../../../core/errors.ts';
import { formatLsn, type Lsn, parseLsn } from '../../../core/lsn.ts';
import { partitionKey } from '../../../core/position.ts';
import type { Log, TopicSpec } from '../../../log/log.ts';
import { readToEnd } from '../../../log/read-to-end.ts';

/** A topic of its own, so that a start reads its last record only, however many came before it. */
export const watermarkTopic = (source: string): string => `__insideout.${source}.watermark`;

export const watermarkTopicSpec = (source: string): TopicSpec => ({
  name: watermarkTopic(source),
  partitions: 1,
  cleanup: 'compact',
});

/**
 * How far the Log holds a source's changes: everything that was committed before this LSN, of all tables that are
 * read. It is kept in the Log itself (topic `__insideout.<source>.watermark`, compacted, one partition), and no slot
 * is told of an LSN that is past it. So a slot that is past it shows a Log that is older than the slot: one that was
 * put back from a copy, or that lost records.
 */
export class Watermark {
  readonly #log: Log;
  readonly #source: string;
  /** Undefined before anything was written. */
  #lsn: Lsn | null | undefined;
  #exists: boolean;

  private constructor(parts: { log: Log; source: string; lsn: Lsn | null | undefined; exists: boolean }) {
    this.#log = parts.log;
    this.#source = parts.source;
    this.#lsn = parts.lsn;
    this.#exists = parts.exists;
  }

  /** Creates nothing. Errors: `LOG_…`, `RECORD_UNDECODABLE`. */
  static async read(log: Log, source: string): Promise<Watermark> {
    const topic = watermarkTopic(source);
    const exists = (await log.partitions([topic])).has(topic);
    return new Watermark({ log, source, lsn: exists ? await newest(log, topic) : undefined, exists });
  }

  /** Null when there is none: before the first slot, and while one is made anew. */
  get lsn(): Lsn | null {
    return this.#lsn ?? null;
  }

  /** False for a Log that knows nothing of any slot: there was none for it, or it was begun anew. */
  get written(): boolean {
    return this.#lsn !== undefined;
  }

  /** Done by `set` where it was not done before. */
  async ensureTopic(): Promise<void> {
    if (!this.#exists) await this.#log.ensureTopics([watermarkTopicSpec(this.#source)]);
    this.#exists = true;
  }

  /** Durable when it resolves. May go back, but not while a slot is past it. */
  async set(lsn: Lsn | null): Promise<void> {
    await this.ensureTopic();
    const value = JSON.stringify({ lsn: lsn === null ? null : formatLsn(lsn) });
    const timestamp = Date.now();
    const topic = watermarkTopic(this.#source);
    await this.#log.append([
      { topic, partition: 0, key: Buffer.from('lsn'), value: Buffer.from(value), timestamp },
    ]);
    this.#lsn = lsn;
  }
}

/** Undefined when the topic is empty. */
async function newest(log: Log, topic: string): Promise<Lsn | null | undefined> {
  const key = partitionKey(topic, 0);
  const end = (await log.offsets([topic])).get(key)?.end ?? 0;
  const from = new Map([[key, Math.max(0, end - 1)]]);
  let lsn: Lsn | null | undefined;
  for await (const { records } of readToEnd(log, [topic], { from }))
    for (const { value } of records) lsn = decode(value, topic);
  return lsn;
}

function decode(value: Buffer | null, topic: string): Lsn | null {
  try {
    const { lsn } = JSON.parse(value?.toString() ?? '') as { lsn: string | null };
    return lsn === null ? null : parseLsn(lsn);
  } catch (cause) {
    throw new InsideoutError('RECORD_UNDECODABLE', `A record of the topic ${topic} holds no LSN.`, {
      hint: 'Nobody but insideout may write to topics that begin with "__insideout."; put the Log back as it was.',
      cause,
    });
  }
}
