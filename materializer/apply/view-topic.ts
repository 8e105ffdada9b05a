import type { ColumnType } from '../../core/column.ts';
import { encodeArray } from '../../core/tagged-json.ts';
import type { Value } from '../../core/value.ts';
import type { ViewChange, ViewShape } from '../../core/view.ts';
import { ByteWriter } from '../../log/avro/byte-writer.ts';
import { taggedArraySchema } from '../../log/avro/row-values.ts';
import type { AvroSchema, SchemaRegistry } from '../../log/avro/schema-registry.ts';
import { registerTruncate, truncateBytes } from '../../log/avro/truncate-record.ts';
import { headerLength, writeHeader } from '../../log/avro/wire-format.ts';
import type { Headers, LogRecord, StoredRecord } from '../../log/log.ts';

/** What a view topic's record takes over from the record that the change was made of. */
export interface ChangeOrigin extends Pick<StoredRecord, 'headers' | 'timestamp'> {
  /** Of the input; the view topic has as many, so the changes of a key stay in one partition, in their order. */
  readonly partition: number;
}

/**
 * Turns the changes of one generation into records of its view topic, which read back as exactly the same values
 * by whoever declares the view's columns: the same framing, schemas and truncate records as a source's topic has.
 */
export interface ViewTopicEncoder {
  readonly topic: string;
  /**
   * An upsert carries the whole row, a delete is a tombstone, a truncate goes to its own partition only. Headers
   * and timestamp are the origin's, save that a tombstone's `op` is always `d`, also where the row function left
   * out an updated row. The record's bytes stay valid.
   */
  encode(change: ViewChange, origin: ChangeOrigin): LogRecord;
}

/** Registers the schemas of a view topic under `<topic>-key` and `<topic>-value`. Errors: those of the registry. */
export async function viewTopicEncoder(
  schemas: SchemaRegistry,
  topic: string,
  shape: ViewShape,
): Promise<ViewTopicEncoder> {
  const { key, value } = viewTopicSchemas(shape);
  const keyId = await schemas.register(`${topic}-key`, key);
  const valueId = await schemas.register(`${topic}-value`, value);
  const truncate = truncateBytes(await registerTruncate(schemas));
  const writer = new ByteWriter(64 << 10);
  const keyWriters = shape.key.map((name) => writers[shape.columns[name]!]);
  const columns = Object.entries(shape.columns).map(([name, type]) => ({
    name,
    write: writers[type],
    nullable: !shape.key.includes(name),
  }));

  function begin(schemaId: number): void {
    writer.begin();
    writer.reserve(headerLength);
    writer.position = writeHeader(writer.buffer, writer.position, schemaId);
  }

  function encodeKey(values: readonly Value[]): Buffer {
    begin(keyId);
    for (let i = 0; i < keyWriters.length; i++) keyWriters[i]!(writer, values[i]!);
    return writer.end();
  }

  function encodeRow(row: { readonly [column: string]: Value }): Buffer {
    begin(valueId);
    for (const { name, write, nullable } of columns) {
      const value = row[name] ?? null;
      if (nullable) writer.byte(value === null ? 0 : 2);
      if (value !== null) write(writer, value);
    }
    return writer.end();
  }

  return {
    topic,
    encode(change, { partition, headers, timestamp }) {
      if (change.op === 'truncate')
        return { topic, partition, timestamp, headers: withOp(headers, 't'), key: truncate, value: truncate };
      const key = encodeKey(change.key);
      if (change.op === 'delete')
        return { topic, partition, timestamp, headers: withOp(headers, 'd'), key, value: null };
      return { topic, partition, timestamp, headers, key, value: encodeRow(change.row) };
    },
  };
}

/**
 * The schemas of a view topic's keys and values: key columns in the key's order, then all columns in the view's.
 * The same for every generation of the same shape, so that a registry keeps them once.
 */
export function viewTopicSchemas(shape: ViewShape): { readonly key: AvroSchema; readonly value: AvroSchema } {
  const namespace = `insideout.view.${shape.name}`;
  const field = (name: string) => ({ name, type: avroTypes[shape.columns[name]!] });
  const nullable = (name: string) => ({
    name,
    type: ['null', avroTypes[shape.columns[name]!]],
    default: null,
  });
  return {
    key: { type: 'record', name: 'Key', namespace, fields: shape.key.map(field) },
    value: {
      type: 'record',
      name: 'Value',
      namespace,
      fields: Object.keys(shape.columns).map((name) =>
        shape.key.includes(name) ? field(name) : nullable(name),
      ),
    },
  };
}

/** An array's elements have no declared type, so that it is no Avro array. */
const avroTypes: Readonly<Record<ColumnType, AvroSchema>> = {
  text: 'string',
  int: 'int',
  bigint: 'long',
  float: 'double',
  numeric: 'string',
  boolean: 'boolean',
  bytes: 'bytes',
  timestamp: 'string',
  json: 'string',
  array: taggedArraySchema,
};

type WriteValue = (writer: ByteWriter, value: Value) => void;

const text: WriteValue = (writer, value) => writer.text(value as string);

const writers: Readonly<Record<ColumnType, WriteValue>> = {
  text,
  int: (writer, value) => writer.long(value as number),
  bigint: (writer, value) => writer.bigLong(value as bigint),
  float: (writer, value) => writer.double(value as number),
  numeric: text,
  boolean: (writer, value) => writer.byte(value ? 1 : 0),
  bytes: (writer, value) => {
    const { buffer, byteOffset, byteLength } = value as Uint8Array;
    writer.sized(Buffer.from(buffer, byteOffset, byteLength), 0, byteLength);
  },
  timestamp: text,
  json: text,
  array: (writer, value) => writer.text(encodeArray(value)),
};

function withOp(headers: Headers, op: 'd' | 't'): Headers {
  return headers.op !== undefined && String(headers.op) === op ? headers : { ...headers, op };
}
