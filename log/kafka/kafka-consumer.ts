import type { Admin, Consumer, Kafka } from 'kafkajs';
import { InsideoutError } from '../../core/errors.ts';
import type { ConsumeRequest, RecordBatch } from '../log.ts';
import { Fetcher } from './fetcher.ts';
import { GroupReader, heartbeatMs } from './group-reader.ts';
import { Handoff } from './handoff.ts';
import { classifyKafka } from './kafka-errors.ts';
import { Membership } from './membership.ts';
import type { OffsetReader } from './partition-offsets.ts';
import { startCheck } from './positions.ts';
import { partitionCounts } from './topics.ts';

/** A member that was not heard of for this long is dead, and its partitions go to the others. */
const sessionMs = 10_000;
/** How long a member may keep the others waiting when partitions move. */
const rebalanceMs = 15_000;
const commitMs = 2_000;
/** How often the member looks whether a heartbeat is due. */
const beatMs = 200;

export interface ConsumerParts {
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly offsets: OffsetReader;
}

/**
 * Reads partitions; with a group, those that it gives to this member. The group only says who reads what:
 * positions come from `request.from`. They are committed to the group as well, so that the usual tools show the
 * lag, and are never read from there. kafkajs keeps the membership and fetches nothing.
 */
export async function* consume(
  { kafka, admin, offsets }: ConsumerParts,
  request: ConsumeRequest,
): AsyncGenerator<RecordBatch> {
  if (request.signal.aborted) return;
  const doing = `reading ${request.topics.join(', ')}`;
  const handoff = new Handoff<RecordBatch>();
  const onAbort = () => handoff.end();
  request.signal.addEventListener('abort', onAbort, { once: true });
  let fetcher: Fetcher | undefined;
  let fetching: Promise<void> = Promise.resolve();
  let reader: GroupReader | undefined;
  let membership: Membership | undefined;
  let timer: NodeJS.Timeout | undefined;
  try {
    const check = await startCheck(admin, offsets, request.topics);
    fetcher = new Fetcher({
      kafka,
      topics: request.topics,
      handoff,
      outOfRange: async (at) => {
        await check(at);
        // Nothing is missing: in a compacted topic what came before the first offset was overwritten.
        return Math.max(at.offset, await firstOffset(offsets, at));
      },
    });
    await fetcher.connect();
    const consumer = request.group === undefined ? null : memberOf(kafka, request.group);
    const members = new GroupReader({ consumer, request, handoff, fetcher, check });
    reader = members;
    fetching = fetcher.run();
    if (!consumer) members.joined(await everything(admin, request.topics));
    else {
      consumer.on('consumer.group_join', ({ payload }) => {
        consumer.pause(request.topics.map((topic) => ({ topic })));
        members.joined(payload.memberAssignment);
      });
      membership = new Membership({
        consumer,
        run: { autoCommit: false, eachBatchAutoResolve: false, eachBatch: async () => {} },
        left: () => members.joined({}),
        failed: (error) => handoff.fail(error),
      });
      await consumer.connect();
      await consumer.subscribe({ topics: [...request.topics], fromBeginning: true });
      await membership.begin();
      timer = setInterval(() => void members.commit(), commitMs);
    }
    yield* handoff.items();
  } catch (error) {
    throw classifyKafka(error, doing);
  } finally {
    clearInterval(timer);
    request.signal.removeEventListener('abort', onAbort);
    handoff.end();
    if (membership) await reader?.commit();
    await membership?.end();
    await fetcher?.close();
    await fetching;
  }
}

function memberOf(kafka: Kafka, groupId: string): Consumer {
  return kafka.consumer({
    groupId,
    sessionTimeout: sessionMs,
    heartbeatInterval: heartbeatMs,
    rebalanceTimeout: rebalanceMs,
    allowAutoTopicCreation: false,
    maxWaitTimeInMs: beatMs,
    readUncommitted: false,
    // Membership decides which errors are worth another attempt; of the others, whoever iterates does.
    retry: { initialRetryTime: 50, maxRetryTime: 2_000, retries: 8, restartOnFailure: async () => false },
  });
}

async function everything(admin: Admin, topics: readonly string[]): Promise<Record<string, number[]>> {
  const counts = await partitionCounts(admin, topics);
  const missing = topics.find((topic) => !counts.has(topic));
  if (missing !== undefined)
    throw new InsideoutError('LOG_TOPIC', `There is no topic ${missing}.`, {
      hint: 'Start what writes it, or correct its name.',
    });
  return Object.fromEntries([...counts].map(([topic, n]) => [topic, Array.from({ length: n }, (_, i) => i)]));
}

async function firstOffset(
  offsets: OffsetReader,
  { topic, partition }: { topic: string; partition: number },
): Promise<number> {
  const found = (await offsets.read([topic])).get(topic)?.find((o) => o.partition === partition);
  return Number(found?.low ?? 0);
}
