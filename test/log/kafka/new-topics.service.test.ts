import { expect, test } from 'vitest';
import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import { servers, uniqueName } from '../../support/servers.ts';

/** The broker is behind its own word for milliseconds only: with these numbers most runs meet that. */
const rounds = 2;
const atOnce = 12;
const partitions = 32;

test('a fenced writer appends at once to topics that were just created, whose leaders may not know it yet', async () => {
  const { kafka, registry } = servers();
  const log = await openKafkaLog({ brokers: [kafka], registry: { url: registry } });
  const made: string[] = [];
  try {
    const appendNew = async () => {
      const topic = uniqueName('new');
      const writer = await log.fencedWriter(topic);
      await log.ensureTopics([{ name: topic, partitions, cleanup: 'compact' }]);
      made.push(topic);
      const value = Buffer.from('v');
      const record = { topic, key: Buffer.from('k'), value, headers: {}, timestamp: Date.now() };
      await writer.append(Array.from({ length: partitions }, (_, partition) => ({ ...record, partition })));
      await writer.close();
    };
    for (let round = 0; round < rounds; round++) {
      const outcomes = await Promise.allSettled(Array.from({ length: atOnce }, appendNew));
      expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([]);
    }
    const offsets = await log.offsets(made);
    expect(offsets.size).toBe(rounds * atOnce * partitions);
    // The record, and the marker of its transaction.
    expect(new Set([...offsets.values()].map(({ end }) => end))).toEqual(new Set([2]));
  } finally {
    await log.deleteTopics(made);
    await log.close();
  }
});
