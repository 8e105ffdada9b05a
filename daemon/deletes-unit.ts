import { isInsideoutError } from '../core/errors.ts';
import { deletesTopic, deletesTopicSpec, readDelete } from '../deletes/deletes-topic.ts';
import type { Log, RecordBatch, StoredRecord } from '../log/log.ts';
import type { CheckedConfig } from './config/check.ts';
import type { DeletesDesk } from './deletes-desk.ts';
import type { Logger } from './logger.ts';
import type { Unit } from './supervisor.ts';
import { openLog } from './wiring.ts';

/**
 * Follows the topic `__<namespace>.deletes` from its beginning; processes share it. What was done before a crash is
 * known to the journal by its id and done once. A request that was dealt with, or is refused, is replaced by a
 * tombstone, because it holds a key.
 */
export function deletesUnit(parts: {
  config: CheckedConfig;
  tokens: Readonly<Record<string, string>>;
  desk: DeletesDesk;
  logger: Logger;
}): Unit {
  const { config, tokens, desk, logger } = parts;
  const { namespace } = config;
  const topic = deletesTopic(namespace);

  /** Why it is refused; null when it was done. */
  async function deal(record: StoredRecord, value: Buffer): Promise<string | null> {
    const request = readDelete(value, tokens);
    if (typeof request === 'string') return request;
    if (record.key?.toString() !== request.id) return 'It does not lie under its id.';
    const { id, key, token } = request;
    try {
      await desk.delete(request.topic, [{ id, key, via: `deletes topic, token ${token}` }]);
      return null;
    } catch (error) {
      if (isInsideoutError(error, 'USAGE', 'LOG_TOPIC')) return error.message;
      throw error;
    }
  }

  async function take({ partition, records }: RecordBatch, log: Log): Promise<void> {
    for (const [i, record] of records.entries()) {
      const { key, value, offset } = record;
      if (!key || !value || records.some((r, j) => j > i && r.key?.equals(key))) continue;
      const refused = await deal(record, value);
      if (refused !== null) logger.warn({ topic, partition, offset }, `a delete was refused: ${refused}`);
      await log.append([{ topic, partition, key: Buffer.from(key), value: null, timestamp: Date.now() }]);
    }
  }

  return {
    kind: 'deletes',
    name: topic,
    run: async (signal) => {
      const log = await openLog(config);
      try {
        if (!(await log.partitions([topic])).has(topic))
          await log.ensureTopics([deletesTopicSpec(namespace)]);
        const ranges = await log.offsets([topic]);
        const from = async (_topic: string, partition: number) =>
          ranges.get(`${topic}/${partition}`)?.first ?? 0;
        for await (const batch of log.consume({ group: topic, topics: [topic], from, signal }))
          await take(batch, log);
      } finally {
        await log.close();
      }
    },
  };
}
