import type { Offset } from '../../core/position.ts';
import { type BrokerCall, Payload } from './kafkajs-cluster.ts';

/** One partition's record batch on its way to a broker. */
export interface ProduceBatch {
  readonly topic: string;
  readonly partition: number;
  readonly batch: Buffer;
}

export interface Produced {
  readonly partitions: readonly ProducedPartition[];
  /** By which name kafkajs knows how long the broker asks to be left alone, milliseconds. */
  readonly clientSideThrottleTime: number;
}

export interface ProducedPartition {
  readonly topic: string;
  readonly partition: number;
  /** 0 for stored; see https://kafka.apache.org/protocol#protocol_error_codes */
  readonly errorCode: number;
  /** Of the first record. */
  readonly baseOffset: Offset;
}

const produce = 0;
/** With idempotence, and in every broker from 2.1 to 4.x. */
const version = 7;
const allReplicas = -1;
const timeoutMs = 30_000;

/**
 * A Produce request, https://kafka.apache.org/protocol#The_Messages_Produce, and its answer for each partition.
 * `transactionalId` is null outside of transactions.
 */
export function produceCall(batches: readonly ProduceBatch[], transactionalId: string | null): BrokerCall {
  const payload = new Payload(encode(batches, transactionalId));
  return {
    request: {
      apiKey: produce,
      apiVersion: version,
      apiName: 'Produce',
      expectResponse: () => true,
      encode: async () => payload,
    },
    response: {
      decode: async (bytes) => decode(bytes),
      // Errors are the caller's to tell: each partition has its own.
      parse: async (decoded) => decoded,
    },
  };
}

function encode(batches: readonly ProduceBatch[], transactionalId: string | null): Buffer {
  const topics = new Map<string, ProduceBatch[]>();
  for (const batch of batches) {
    const list = topics.get(batch.topic);
    if (list) list.push(batch);
    else topics.set(batch.topic, [batch]);
  }
  const head = Buffer.allocUnsafe(10);
  head.writeInt16BE(allReplicas, 0);
  head.writeInt32BE(timeoutMs, 2);
  head.writeInt32BE(topics.size, 6);
  const parts: Buffer[] = [...nullableString(transactionalId), head];
  for (const [topic, list] of topics) {
    const name = Buffer.from(topic);
    const prefix = Buffer.allocUnsafe(6 + name.length);
    prefix.writeInt16BE(name.length, 0);
    name.copy(prefix, 2);
    prefix.writeInt32BE(list.length, 2 + name.length);
    parts.push(prefix);
    for (const { partition, batch } of list) {
      const frame = Buffer.allocUnsafe(8);
      frame.writeInt32BE(partition, 0);
      frame.writeInt32BE(batch.length, 4);
      parts.push(frame, batch);
    }
  }
  return Buffer.concat(parts);
}

function nullableString(text: string | null): Buffer[] {
  const length = Buffer.allocUnsafe(2);
  if (text === null) {
    length.writeInt16BE(-1, 0);
    return [length];
  }
  const bytes = Buffer.from(text);
  length.writeInt16BE(bytes.length, 0);
  return [length, bytes];
}

function decode(bytes: Buffer): Produced {
  const produced: ProducedPartition[] = [];
  let at = 4;
  for (let topics = bytes.readInt32BE(0); topics > 0; topics--) {
    const length = bytes.readInt16BE(at);
    const topic = bytes.toString('utf8', at + 2, at + 2 + length);
    at += 2 + length;
    let partitions = bytes.readInt32BE(at);
    at += 4;
    for (; partitions > 0; partitions--) {
      produced.push({
        topic,
        partition: bytes.readInt32BE(at),
        errorCode: bytes.readInt16BE(at + 4),
        baseOffset: Number(bytes.readBigInt64BE(at + 6)),
      });
      // base_offset, log_append_time, log_start_offset
      at += 6 + 24;
    }
  }
  return { partitions: produced, clientSideThrottleTime: bytes.readInt32BE(at) };
}
