import { ByteWriter } from '../../../log/avro/byte-writer.ts';
import type { AvroSchema } from '../../../log/avro/schema-registry.ts';
import type { Op, Origin } from './record-batch.ts';

/**
 * Records in Debezium's envelope, for consumers that were made for it. `before` is filled for deletes alone, and with
 * the key alone: a row's former values in the record of what it is now would outlive their erasure.
 * https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-events
 */

/** What the envelope says of where a record comes from, beside its transaction. */
export interface EnvelopeSource {
  readonly source: string;
  readonly database: string;
  readonly schema: string;
  readonly table: string;
}

const long = (name: string) => ({ name, type: ['null', 'long'], default: null });

/** The schema of a topic's values, around that of its rows. */
export const envelopeSchema = (topic: string, row: AvroSchema): AvroSchema => ({
  type: 'record',
  name: 'Envelope',
  namespace: topic,
  'connect.name': `${topic}.Envelope`,
  fields: [
    {
      name: 'before',
      type: ['null', { ...(row as object), 'connect.name': `${topic}.Value` }],
      default: null,
    },
    { name: 'after', type: ['null', `${topic}.Value`], default: null },
    { name: 'source', type: sourceSchema },
    { name: 'transaction', type: ['null', transactionSchema], default: null },
    { name: 'op', type: 'string' },
    long('ts_ms'),
    long('ts_us'),
    long('ts_ns'),
  ],
});

const sourceSchema: AvroSchema = {
  type: 'record',
  name: 'Source',
  namespace: 'io.debezium.connector.postgresql',
  'connect.name': 'io.debezium.connector.postgresql.Source',
  fields: [
    { name: 'version', type: 'string' },
    { name: 'connector', type: 'string' },
    { name: 'name', type: 'string' },
    { name: 'ts_ms', type: 'long' },
    { name: 'snapshot', type: ['null', 'string'], default: null },
    { name: 'db', type: 'string' },
    { name: 'sequence', type: ['null', 'string'], default: null },
    long('ts_us'),
    long('ts_ns'),
    { name: 'schema', type: 'string' },
    { name: 'table', type: 'string' },
    long('txId'),
    long('lsn'),
    long('xmin'),
  ],
};

const transactionSchema: AvroSchema = {
  type: 'record',
  name: 'block',
  namespace: 'event',
  'connect.name': 'event.block',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'total_order', type: 'long' },
    { name: 'data_collection_order', type: 'long' },
  ],
};

/** Writes what follows the row in the envelopes of one table: the same bytes for all records of a transaction. */
export class EnvelopeTail {
  readonly #source: EnvelopeSource;
  readonly #tails = new Map<Op, Buffer>();
  #origin: Origin | null = null;

  constructor(source: EnvelopeSource) {
    this.#source = source;
  }

  write(writer: ByteWriter, op: Op, origin: Origin): void {
    if (this.#origin !== origin) {
      this.#origin = origin;
      this.#tails.clear();
    }
    let tail = this.#tails.get(op);
    if (!tail) {
      tail = this.#made(op, origin);
      this.#tails.set(op, tail);
    }
    writer.raw(tail);
  }

  #made(op: Op, { lsn, xid, micros }: Origin): Buffer {
    const { source, database, schema, table } = this.#source;
    const writer = new ByteWriter(512);
    writer.begin();
    const some = (write: () => void) => {
      writer.byte(2);
      write();
    };
    const times = (at: bigint) => {
      some(() => writer.bigLong(at));
      some(() => writer.bigLong(at * 1000n));
    };
    writer.text('insideout');
    writer.text('postgresql');
    writer.text(source);
    writer.bigLong(micros / 1000n);
    some(() => writer.text(op === 'r' ? 'true' : 'false'));
    writer.text(database);
    writer.byte(0);
    times(micros);
    writer.text(schema);
    writer.text(table);
    if (xid === null) writer.byte(0);
    else some(() => writer.long(xid));
    some(() => writer.bigLong(lsn));
    writer.byte(0);
    // No transaction block.
    writer.byte(0);
    writer.text(op);
    const now = BigInt(Date.now());
    some(() => writer.bigLong(now));
    times(now * 1000n);
    return writer.end();
  }
}
