import type { Offset } from '../../core/position.ts';
import { type BrokerCall, Payload } from './kafkajs-cluster.ts';

/** Where to read on in one partition. */
export interface FetchPosition {
  readonly topic: string;
  readonly partition: number;
  readonly offset: Offset;
}

/** A transaction that was given up: the batches of its producer from this offset to its marker are not delivered. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly first: Offset;
}

export interface FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  /** End of the partition: where its next record goes. */
  readonly highWatermark: Offset;
  readonly aborted: readonly AbortedTransaction[];
  /** Record batches, the last one possibly cut off. A view on the answer. */
  readonly bytes: Buffer;
}

export interface Fetched {
  readonly partitions: readonly FetchedPartition[];
  /** By which name kafkajs knows how long the broker asks to be left alone, milliseconds. */
  readonly clientSideThrottleTime: number;
}

export interface FetchLimits {
  /** How long the broker may wait for something to come, milliseconds. */
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  readonly maxPartitionBytes: number;
}

const fetch = 1;
/** Record batches of format v2 and transactions; in every broker from 0.11 to 4.x. */
const version = 4;
const noReplica = -1;
const readCommitted = 1;

/** A Fetch request, https://kafka.apache.org/protocol#The_Messages_Fetch, of committed records. */
export function fetchCall(positions: readonly FetchPosition[], limits: FetchLimits): BrokerCall {
  const payload = new Payload(encode(positions, limits));
  return {
    request: {
      apiKey: fetch,
      apiVersion: version,
      apiName: 'Fetch',
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

function encode(positions: readonly FetchPosition[], limits: FetchLimits): Buffer {
  const topics = new Map<string, FetchPosition[]>();
  for (const position of positions)
    topics.set(position.topic, [...(topics.get(position.topic) ?? []), position]);
  const bound = [...topics.keys()].reduce((sum, topic) => sum + Buffer.byteLength(topic) + 6, 21);
  const buffer = Buffer.alloc(bound + positions.length * 16);
  buffer.writeInt32BE(noReplica, 0);
  buffer.writeInt32BE(limits.maxWaitMs, 4);
  buffer.writeInt32BE(1, 8);
  buffer.writeInt32BE(limits.maxBytes, 12);
  buffer.writeInt8(readCommitted, 16);
  let at = buffer.writeInt32BE(topics.size, 17);
  for (const [topic, list] of topics) {
    const length = buffer.write(topic, at + 2);
    buffer.writeInt16BE(length, at);
    at = buffer.writeInt32BE(list.length, at + 2 + length);
    for (const { partition, offset } of list) {
      at = buffer.writeInt32BE(partition, at);
      at = buffer.writeBigInt64BE(BigInt(offset), at);
      at = buffer.writeInt32BE(limits.maxPartitionBytes, at);
    }
  }
  return buffer;
}

function decode(bytes: Buffer): Fetched {
  const partitions: FetchedPartition[] = [];
  let at = 8;
  for (let topics = bytes.readInt32BE(4); topics > 0; topics--) {
    const length = bytes.readInt16BE(at);
    const topic = bytes.toString('utf8', at + 2, at + 2 + length);
    at += 2 + length;
    let count = bytes.readInt32BE(at);
    at += 4;
    for (; count > 0; count--) {
      const partition = bytes.readInt32BE(at);
      const errorCode = bytes.readInt16BE(at + 4);
      const highWatermark = Number(bytes.readBigInt64BE(at + 6));
      at += 22;
      const aborted: AbortedTransaction[] = [];
      let transactions = bytes.readInt32BE(at);
      at += 4;
      for (; transactions > 0; transactions--) {
        aborted.push({
          producerId: bytes.readBigInt64BE(at),
          first: Number(bytes.readBigInt64BE(at + 8)),
        });
        at += 16;
      }
      const size = Math.max(0, bytes.readInt32BE(at));
      at += 4;
      partitions.push({
        topic,
        partition,
        errorCode,
        highWatermark,
        aborted,
        bytes: bytes.subarray(at, at + size),
      });
      at += size;
    }
  }
  return { partitions, clientSideThrottleTime: bytes.readInt32BE(0) };
}
