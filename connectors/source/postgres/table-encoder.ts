import type { ByteWriter } from '../../../log/avro/byte-writer.ts';
import { headerLength, writeHeader } from '../../../log/avro/wire-format.ts';
import type { EnvelopeTail } from './envelope.ts';
import { isUnchanged, type Tuple } from './pgoutput.ts';
import type { Op, Origin } from './record-batch.ts';
import type { PgType } from './types.ts';
import { arrayEncoder, encoders, type ValueEncoder } from './value-encoder.ts';

export interface EncodedColumn {
  readonly name: string;
  readonly type: PgType;
  readonly key: boolean;
}

/**
 * Turns tuples of one table version into Avro in Confluent's framing, straight from the bytes that Postgres
 * sent: no row object in between. Made once per Relation message.
 */
export class TableEncoder {
  readonly columns: readonly EncodedColumn[];
  /** Positions of the key columns in the tuple. */
  readonly keyColumns: readonly number[];
  readonly #keySchemaId: number;
  readonly #valueSchemaId: number;
  readonly #encoders: readonly ValueEncoder[];
  readonly #bare: readonly boolean[];
  readonly #envelope: EnvelopeTail | null;

  /** Values are flat rows, or rows in an envelope where there is one. */
  constructor(
    columns: readonly EncodedColumn[],
    schemas: { readonly keyId: number; readonly valueId: number },
    envelope: EnvelopeTail | null = null,
  ) {
    this.columns = columns;
    this.keyColumns = columns.flatMap((c, i) => (c.key ? [i] : []));
    this.#keySchemaId = schemas.keyId;
    this.#valueSchemaId = schemas.valueId;
    this.#envelope = envelope;
    this.#encoders = columns.map((c) =>
      c.type.element ? arrayEncoder(encoders[c.type.element.encoding]) : encoders[c.type.encoding],
    );
    // A key column is written without a union branch, an array writes its branch itself.
    this.#bare = columns.map((c) => c.key || c.type.element !== null);
  }

  key(tuple: Tuple, writer: ByteWriter): Buffer {
    this.#header(writer, this.#keySchemaId);
    for (const i of this.keyColumns)
      this.#encoders[i]!(tuple.source, tuple.starts[i]!, tuple.ends[i]!, writer);
    return writer.end();
  }

  /** Null and unchanged columns are written as null; who wants unchanged ones completed does so before. */
  value(tuple: Tuple, writer: ByteWriter, op: Op, origin: Origin): Buffer {
    this.#header(writer, this.#valueSchemaId);
    const envelope = this.#envelope;
    if (envelope) {
      writer.byte(0);
      writer.byte(2);
    }
    const { source, starts, ends } = tuple;
    const columnEncoders = this.#encoders;
    const bare = this.#bare;
    for (let i = 0; i < columnEncoders.length; i++) {
      const start = starts[i]!;
      if (start < 0) writer.byte(0);
      else {
        if (!bare[i]) writer.byte(2);
        columnEncoders[i]!(source, start, ends[i]!, writer);
      }
    }
    if (envelope) envelope.write(writer, op, origin);
    return writer.end();
  }

  /** What an envelope tells of a row that was deleted: its key. Null where the tombstone says it all. */
  deleted({ source, starts, ends }: Tuple, writer: ByteWriter, origin: Origin): Buffer | null {
    if (!this.#envelope) return null;
    this.#header(writer, this.#valueSchemaId);
    writer.byte(2);
    this.columns.forEach(({ key }, i) => {
      if (key) this.#encoders[i]!(source, starts[i]!, ends[i]!, writer);
      else writer.byte(0);
    });
    writer.byte(0);
    this.#envelope.write(writer, 'd', origin);
    return writer.end();
  }

  #header(writer: ByteWriter, schemaId: number): void {
    writer.begin();
    writer.reserve(headerLength);
    writer.position = writeHeader(writer.buffer, writer.position, schemaId);
  }
}

/** True when a column of the tuple is an unchanged TOAST value. */
export function hasUnchanged(tuple: Tuple): boolean {
  for (let i = 0; i < tuple.count; i++) if (tuple.starts[i] === isUnchanged) return true;
  return false;
}
