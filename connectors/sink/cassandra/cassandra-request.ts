import cassandra, { type Client, type types } from 'cassandra-driver';
import { grown } from '../grown.ts';

const { dataTypes, unset } = cassandra.types;

/** What of the driver's request for a batch is read here. */
export interface BatchRequest {
  readonly queries: readonly PreparedStatement[];
  readonly options: {
    getConsistency(): number;
    getSerialConsistency(): number | undefined;
    getCustomPayload(): unknown;
    isQueryTracing(): boolean | undefined;
  };
  /** Logged, unlogged or of counters, as it travels. */
  readonly type: number;
  readonly timestamp: types.Long | null | undefined;
  /** Of the body. */
  length: number;
  write(encoder: { readonly protocolVersion: number }, streamId: number): Buffer;
}

/** A statement that was not prepared has no id. */
interface PreparedStatement {
  readonly queryId?: Buffer;
  readonly params: readonly unknown[];
  readonly meta?: { readonly columns: readonly { readonly type: { readonly code: number } }[] };
}

/** Not in the driver's interface; its version is pinned, and cassandra-request.test.ts fails when another lacks this. */
interface DriverClient {
  _createBatchRequest(queries: unknown, options: unknown): Promise<BatchRequest>;
}

/**
 * Has the client write its batches in one pass. The driver makes two buffers for each value, one of them for its
 * length, and puts them together at the end, which costs more than to make the rows. What is not known here it
 * writes as before.
 */
export function writeBatchesInOnePass(client: Client): void {
  const driver = client as unknown as DriverClient;
  const create = driver._createBatchRequest;
  driver._createBatchRequest = async (queries, options) => {
    const request = await create.call(client, queries, options);
    const { write } = request;
    request.write = (encoder, streamId) =>
      batchFrame(request, encoder.protocolVersion, streamId) ?? write.call(request, encoder, streamId);
    return request;
  };
}

/**
 * A batch of prepared statements as a frame of version 4 of the protocol, sections 2 and 4.1.7 of
 * https://github.com/apache/cassandra/blob/cassandra-5.0/doc/native_protocol_v4.spec; null for another version, and
 * for a statement, a value or an option that is not one of those with which views are written.
 */
export function batchFrame(request: BatchRequest, version: number, streamId: number): Buffer | null {
  const { queries, options, timestamp } = request;
  if (version !== version4 || options.isQueryTracing() || options.getCustomPayload()) return null;
  const body = new Body(statementBytes * queries.length);
  body.byte(request.type);
  body.short(queries.length);
  for (const { queryId, params, meta } of queries) {
    if (!queryId || !meta) return null;
    body.byte(isPrepared);
    body.short(queryId.length);
    body.raw(queryId);
    body.short(params.length);
    for (let i = 0; i < params.length; i++)
      if (!body.value(params[i], meta.columns[i]?.type.code)) return null;
  }
  const serial = options.getSerialConsistency();
  body.short(options.getConsistency());
  body.byte((serial ? withSerialConsistency : 0) | (timestamp ? withTimestamp : 0));
  if (serial) body.short(serial);
  if (timestamp) body.long(timestamp);
  request.length = body.length;
  return body.framed(version, streamId);
}

/** The body of a frame, with room for the frame's header before it. */
class Body {
  #bytes: Buffer;
  #view: DataView;
  #at = headerBytes;

  constructor(bytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(headerBytes + bytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#at - headerBytes;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  short(value: number): void {
    this.#reserve(2);
    this.#view.setUint16(this.#at, value);
    this.#at += 2;
  }

  long(value: types.Long): void {
    this.#reserve(8);
    this.#view.setInt32(this.#at, value.getHighBits());
    this.#view.setInt32(this.#at + 4, value.getLowBits());
    this.#at += 8;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** A value after its length; false when it is none that goes into a column of this type as it is. */
  value(value: unknown, code: number | undefined): boolean {
    if (typeof value === 'string' && (code === dataTypes.varchar || code === dataTypes.text)) {
      this.#reserve(lengthBytes + 3 * value.length);
      this.#sized(this.#bytes.write(value, this.#at + lengthBytes));
    } else if (typeof value === 'bigint' && code === dataTypes.bigint) {
      this.#reserve(lengthBytes + 8);
      this.#view.setBigInt64(this.#at + lengthBytes, value);
      this.#sized(8);
    } else if (value === null || value === unset) {
      this.#reserve(lengthBytes);
      this.#view.setInt32(this.#at, value === null ? nullLength : unsetLength);
      this.#at += lengthBytes;
    } else if (typeof value === 'number' && code === dataTypes.int && (value | 0) === value) {
      this.#reserve(lengthBytes + 4);
      this.#view.setInt32(this.#at + lengthBytes, value);
      this.#sized(4);
    } else if (typeof value === 'number' && code === dataTypes.double) {
      this.#reserve(lengthBytes + 8);
      this.#view.setFloat64(this.#at + lengthBytes, value);
      this.#sized(8);
    } else if (typeof value === 'boolean' && code === dataTypes.boolean) {
      this.#reserve(lengthBytes + 1);
      this.#bytes[this.#at + lengthBytes] = value ? 1 : 0;
      this.#sized(1);
    } else if (value instanceof Buffer && code === dataTypes.blob) {
      this.#reserve(lengthBytes + value.length);
      this.#bytes.set(value, this.#at + lengthBytes);
      this.#sized(value.length);
    } else return false;
    return true;
  }

  framed(version: number, streamId: number): Buffer {
    this.#bytes[0] = version;
    this.#bytes[1] = 0;
    this.#view.setInt16(2, streamId);
    this.#bytes[4] = batchOpcode;
    this.#view.setUint32(5, this.length);
    return this.#bytes.subarray(0, this.#at);
  }

  /** Puts the length before a value that was written after it. */
  #sized(length: number): void {
    this.#view.setInt32(this.#at, length);
    this.#at += lengthBytes + length;
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return;
    this.#bytes = grown(this.#bytes, this.#at, needed);
    this.#view = new DataView(this.#bytes.buffer);
  }
}

const version4 = 4;
const headerBytes = 9;
const batchOpcode = 0x0d;
const isPrepared = 1;
const lengthBytes = 4;
const nullLength = -1;
const unsetLength = -2;
const withSerialConsistency = 0x10;
const withTimestamp = 0x20;

/** What a statement takes in a usual table, to begin with. */
const statementBytes = 512;
