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
  let size = 2 + bytesOf(transactionalId) + 10;
  for (const batch of batches) {
    const list = topics.get(batch.topic);
    if (list) list.push(batch);
    else {
      topics.set(batch.topic, [batch]);
      size += 2 + bytesOf(batch.topic) + 4;
    }
    size += 8 + batch.batch.length;
  }
  const bytes = Buffer.allocUnsafe(size);
  let at = writeText(bytes, 0, transactionalId);
  at = bytes.writeInt16BE(allReplicas, at);
  at = bytes.writeInt32BE(timeoutMs, at);
  at = bytes.writeInt32BE(topics.size, at);
  for (const [topic, list] of topics) {
    at = bytes.writeInt32BE(list.length, writeText(bytes, at, topic));
    for (const { partition, batch } of list) {
      at = bytes.writeInt32BE(partition, at);
      at = bytes.writeInt32BE(batch.length, at);
      at += batch.copy(bytes, at);
    }
  }
  return bytes;
}

const bytesOf = (text: string | null): number => (text === null ? 0 : Buffer.byteLength(text));

/** A text after its length, which is -1 for null. */
function writeText(bytes: Buffer, start: number, text: string | null): number {
  const at = bytes.writeInt16BE(text === null ? -1 : bytesOf(text), start);
  return text === null ? at : at + bytes.write(text, at);
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
