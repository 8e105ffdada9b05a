import { randomUUID } from 'node:crypto';
import type { Admin, EachBatchPayload, IHeaders, Kafka } from 'kafkajs';
import { InsideoutError } from '../../core/errors.ts';
import { type Offset, type PartitionKey, partitionKey } from '../../core/position.ts';
import type { ConsumeRequest, Headers, RecordBatch, StoredRecord } from '../log.ts';
import { classifyKafka } from './kafka-errors.ts';

/** A member that was not heard of for this long is dead, and its partitions go to the others. */
const sessionMs = 10_000;
const heartbeatMs = 1_000;

/** A partition that is assigned to us, and where it goes on. */
interface Assigned {
  readonly from: Promise<Offset>;
  next: Offset | null;
}

/** A batch on its way to whoever iterates; `taken` once the one after it is asked for. */
interface Delivery {
  readonly batch: RecordBatch;
  taken(): void;
}

/**
 * Reads by a consumer group, which only says who reads what: positions come from `request.from`. They are
 * committed to the group as well, so that the usual tools show the lag.
 */
export async function* consume(
  kafka: Kafka,
  admin: Admin,
  request: ConsumeRequest,
): AsyncGenerator<RecordBatch> {
  const groupId = request.group ?? `insideout.reader.${randomUUID()}`;
  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: sessionMs,
    heartbeatInterval: heartbeatMs,
    rebalanceTimeout: 15_000,
    allowAutoTopicCreation: false,
    minBytes: 1,
    maxWaitTimeInMs: 100,
    maxBytesPerPartition: 4 << 20,
    maxBytes: 32 << 20,
    readUncommitted: false,
    retry: { initialRetryTime: 50, maxRetryTime: 2_000, retries: 8 },
  });
  const compacted = await compactedTopics(admin, request.topics);
  const assigned = new Map<PartitionKey, Assigned>();
  const deliveries: Delivery[] = [];
  let wake: (() => void) | null = null;
  let failure: { error: unknown } | null = null;
  const fail = (error: unknown) => {
    failure ??= { error };
    wake?.();
  };
  const onAbort = () => wake?.();
  request.signal.addEventListener('abort', onAbort);

  const assign = (topic: string, partition: number): Assigned => {
    const from = request.from(topic, partition).then(async (offset) => {
      if (!compacted.has(topic)) await refuseGap(admin, { topic, partition, offset });
      return offset;
    });
    from.catch(fail);
    return { from, next: null };
  };

  consumer.on('consumer.group_join', ({ payload }) => {
    // Whatever we held may have been another's in the meantime, so everything is begun anew.
    for (const key of assigned.keys())
      request.revoked?.(key.slice(0, key.lastIndexOf('/')), Number(key.slice(key.lastIndexOf('/') + 1)));
    assigned.clear();
    for (const [topic, partitions] of Object.entries(payload.memberAssignment))
      for (const partition of partitions as number[])
        assigned.set(partitionKey(topic, partition), assign(topic, partition));
  });
  consumer.on('consumer.crash', ({ payload }) => {
    if (!payload.restart) fail(payload.error);
  });

  const eachBatch = async (payload: EachBatchPayload): Promise<void> => {
    const { batch } = payload;
    const state = assigned.get(partitionKey(batch.topic, batch.partition));
    if (!state || request.signal.aborted || failure) return;
    const first = state.next === null;
    const wanted = state.next ?? (await state.from);
    if (first) {
      state.next = wanted;
      if (Number(batch.messages[0]?.offset) !== wanted) {
        consumer.seek({ topic: batch.topic, partition: batch.partition, offset: String(wanted) });
        return;
      }
    }
    const next = Number(batch.lastOffset()) + 1;
    const records = batch.messages.map(toRecord).filter((record) => record.offset >= wanted);
    if (next > wanted) {
      const stored = {
        topic: batch.topic,
        partition: batch.partition,
        records,
        next,
        end: Number(batch.highWatermark),
      };
      if (!(await deliver(stored, payload))) return;
      state.next = next;
    }
    payload.resolveOffset(batch.lastOffset());
  };

  /** Waits until the batch was worked on, heartbeating; false when the partition was lost in the meantime. */
  const deliver = async (batch: RecordBatch, payload: EachBatchPayload): Promise<boolean> => {
    const key = partitionKey(batch.topic, batch.partition);
    const state = assigned.get(key);
    let timer: NodeJS.Timeout | undefined;
    const handedOut = await new Promise<boolean>((resolve) => {
      const delivery = { batch, taken: () => resolve(true) };
      deliveries.push(delivery);
      wake?.();
      timer = setInterval(() => {
        payload.heartbeat().catch(() => {
          // A rebalance: what was not handed out yet is read again by whoever gets the partition.
          const waiting = deliveries.indexOf(delivery);
          if (waiting < 0) return;
          deliveries.splice(waiting, 1);
          resolve(false);
        });
        if (request.signal.aborted || failure) resolve(false);
      }, heartbeatMs);
    });
    clearInterval(timer);
    return handedOut && assigned.get(key) === state;
  };

  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [...request.topics], fromBeginning: true });
    await consumer.run({
      autoCommit: true,
      autoCommitInterval: 2_000,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 16,
      eachBatch,
    });
    for (;;) {
      if (failure) throw (failure as { error: unknown }).error;
      if (request.signal.aborted) return;
      const delivery = deliveries.shift();
      if (!delivery) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = null;
        continue;
      }
      try {
        yield delivery.batch;
      } finally {
        delivery.taken();
      }
    }
  } catch (error) {
    throw classifyKafka(error, `reading ${request.topics.join(', ')}`);
  } finally {
    request.signal.removeEventListener('abort', onAbort);
    for (const { taken } of deliveries.splice(0)) taken();
    await consumer.disconnect().catch(() => {});
    if (request.group === undefined) await admin.deleteGroups([groupId]).catch(() => {});
  }
}

function toRecord(message: EachBatchPayload['batch']['messages'][number]): StoredRecord {
  return {
    offset: Number(message.offset),
    key: message.key,
    value: message.value,
    headers: (message.headers ?? none) as IHeaders as Headers,
    timestamp: Number(message.timestamp),
  };
}

const none: Headers = {};

async function compactedTopics(admin: Admin, topics: readonly string[]): Promise<Set<string>> {
  const { resources } = await admin
    .describeConfigs({
      includeSynonyms: false,
      resources: topics.map((name) => ({ type: 2, name, configNames: ['cleanup.policy'] })),
    })
    .catch((error: unknown) => {
      throw classifyKafka(error, 'reading the settings of topics');
    });
  return new Set(
    resources
      .filter((r) => r.configEntries.some((e) => e.configValue.includes('compact')))
      .map((r) => r.resourceName),
  );
}

/** Records that are gone from a topic that is not compacted were never applied: that must not pass in silence. */
async function refuseGap(
  admin: Admin,
  at: { topic: string; partition: number; offset: Offset },
): Promise<void> {
  const offsets = await admin.fetchTopicOffsets(at.topic);
  const low = Number(offsets.find((o) => o.partition === at.partition)?.low ?? 0);
  if (at.offset >= low) return;
  throw new InsideoutError(
    'VIEW_CHECKPOINT_GAP',
    `Kafka no longer holds offset ${at.offset} of ${at.topic}, partition ${at.partition}.`,
    {
      hint: 'Rebuild the view from the oldest offset, and give the topic a longer retention.',
    },
  );
}
