import type { Admin } from 'kafkajs';
import { expect, test } from 'vitest';
import { partitionOffsets } from '../../../log/kafka/partition-offsets.ts';

const answers = (failures: number, type: string) => {
  let calls = 0;
  const fetchTopicOffsets = async () => {
    if (calls++ < failures) throw Object.assign(new Error('refused'), { type });
    return [{ partition: 0, offset: '5', low: '0', high: '5' }];
  };
  return { admin: { fetchTopicOffsets } as unknown as Admin, calls: () => calls };
};

test('leaders that a new topic does not have yet are waited for', async () => {
  const { admin, calls } = answers(3, 'NOT_LEADER_FOR_PARTITION');
  expect(await partitionOffsets(admin, 't')).toHaveLength(1);
  expect(calls()).toBe(4);
});

test('any other refusal is thrown at once', async () => {
  const { admin, calls } = answers(3, 'TOPIC_AUTHORIZATION_FAILED');
  await expect(partitionOffsets(admin, 't')).rejects.toThrow('refused');
  expect(calls()).toBe(1);
});
