import { randomUUID } from 'node:crypto';
import type { Admin, Kafka } from 'kafkajs';
import type { ConsumeRequest, RecordBatch } from '../log.ts';
import { GroupReader, heartbeatMs } from './group-reader.ts';
import { Handoff } from './handoff.ts';
import { classifyKafka } from './kafka-errors.ts';
import { Membership } from './membership.ts';
import type { OffsetReader } from './partition-offsets.ts';
import { startCheck } from './positions.ts';

/** A member that was not heard of for this long is dead, and its partitions go to the others. */
const sessionMs = 10_000;
/** How long a member may keep the others waiting, when partitions move, for a batch that it is working on. */
const rebalanceMs = 15_000;
const commitMs = 2_000;

export interface ConsumerParts {
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly offsets: OffsetReader;
}

/**
 * Reads by a consumer group, which only says who reads what: positions come from `request.from`. They are
 * committed to the group as well, so that the usual tools show the lag, and are never read from there.
 */
export async function* consume(
  { kafka, admin, offsets }: ConsumerParts,
  request: ConsumeRequest,
): AsyncGenerator<RecordBatch> {
  if (request.signal.aborted) return;
  const doing = `reading ${request.topics.join(', ')}`;
  const groupId = request.group ?? `insideout.reader.${randomUUID()}`;
  const handoff = new Handoff<RecordBatch>();
  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: sessionMs,
    heartbeatInterval: heartbeatMs,
    rebalanceTimeout: rebalanceMs,
    allowAutoTopicCreation: false,
    minBytes: 1,
    maxWaitTimeInMs: 100,
    maxBytesPerPartition: 4 << 20,
    maxBytes: 32 << 20,
    readUncommitted: false,
    // Membership decides which errors are worth another attempt; of the others, whoever iterates does.
    retry: { initialRetryTime: 50, maxRetryTime: 2_000, retries: 8, restartOnFailure: async () => false },
  });
  const onAbort = () => handoff.end();
  request.signal.addEventListener('abort', onAbort, { once: true });
  let timer: NodeJS.Timeout | undefined;
  let reader: GroupReader | undefined;
  let membership: Membership | undefined;
  try {
    const check = await startCheck(admin, offsets, request.topics);
    const members = new GroupReader({ consumer, request, handoff, check });
    reader = members;
    consumer.on('consumer.group_join', ({ payload }) => members.joined(payload.memberAssignment));
    consumer.on('consumer.start_batch_process', ({ payload }) => {
      if (payload.batchSize === 0) members.passed({ ...payload, end: payload.highWatermark });
    });
    membership = new Membership({
      consumer,
      // kafkajs would commit after every batch and wait for it; a timer does it without holding up the reading.
      run: {
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: 64,
        eachBatch: (payload) => members.eachBatch(payload),
      },
      left: () => members.joined({}),
      failed: (error) => handoff.fail(error),
    });
    await consumer.connect();
    await consumer.subscribe({ topics: [...request.topics], fromBeginning: true });
    await membership.begin();
    timer = setInterval(() => void members.commit(), commitMs);
    yield* handoff.items();
  } catch (error) {
    throw classifyKafka(error, doing);
  } finally {
    clearInterval(timer);
    request.signal.removeEventListener('abort', onAbort);
    handoff.end();
    if (request.group !== undefined) await reader?.commit();
    await (membership?.end() ?? consumer.disconnect().catch(() => {}));
    if (request.group === undefined) await admin.deleteGroups([groupId]).catch(() => {});
  }
}
