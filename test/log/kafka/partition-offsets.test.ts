import type { Admin } from 'kafkajs';
import { expect, test } from 'vitest';
import { OffsetReader } from '../../../log/kafka/partition-offsets.ts';

/** Clients that fail the first calls, and, as kafkajs' do, every call once they asked for a topic that is gone. */
function broker(failures: number, type: string) {
  const topics = new Set(['a', 'b']);
  const seen = { calls: 0, clients: 0, open: 0 };
  const connect = async () => {
    seen.clients++;
    seen.open++;
    const targets = new Set<string>();
    const fetchTopicOffsets = async (topic: string) => {
      targets.add(topic);
      if (seen.calls++ < failures) throw Object.assign(new Error('refused'), { type });
      for (const target of targets)
        if (!topics.has(target))
          throw Object.assign(new Error('gone'), { type: 'UNKNOWN_TOPIC_OR_PARTITION' });
      return [{ partition: 0, offset: '5', low: '0', high: '5' }];
    };
    const disconnect = async () => void seen.open--;
    return { fetchTopicOffsets, disconnect } as unknown as Admin;
  };
  const existing = async (names: readonly string[]) => names.filter((name) => topics.has(name));
  return { topics, seen, reader: new OffsetReader({ existing, connect }) };
}

test('leaders that a new topic does not have yet are waited for', async () => {
  const { reader, seen } = broker(3, 'NOT_LEADER_FOR_PARTITION');
  expect((await reader.read(['a'])).get('a')).toHaveLength(1);
  expect(seen.calls).toBe(4);
});

test('any other refusal is thrown at once', async () => {
  const { reader, seen } = broker(3, 'TOPIC_AUTHORIZATION_FAILED');
  await expect(reader.read(['a'])).rejects.toThrow('refused');
  expect(seen.calls).toBe(1);
});

test('a topic that was asked for and then deleted by others does not stand in the way of the next', async () => {
  const { reader, seen, topics } = broker(0, '');
  expect([...(await reader.read(['a', 'b', 'missing'])).keys()]).toEqual(['a', 'b']);
  topics.delete('a');
  expect([...(await reader.read(['a', 'b'])).keys()]).toEqual(['b']);
  expect([...(await reader.read(['b'])).keys()]).toEqual(['b']);
  expect(seen.clients).toBe(2);
  await expect.poll(() => seen.open).toBe(1);
  await reader.close();
  expect(seen.open).toBe(0);
});

test('closing waits for readings under way, and no connection is opened behind it', async () => {
  const { reader, seen } = broker(0, '');
  const early = reader.read(['a']);
  await reader.close();
  expect(seen).toMatchObject({ clients: 1, open: 0 });
  expect((await early).get('a')).toHaveLength(1);
  await expect(reader.read(['a'])).rejects.toThrow('closed');
  expect(seen).toMatchObject({ clients: 1, open: 0 });
});
