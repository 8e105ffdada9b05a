import type { Row, Value } from '../../core/value.ts';
import { Cursor } from './cursor.ts';
import { compileOnly, isEnvelope } from './envelope.ts';
import { compileValue, type ReadValue } from './row-values.ts';
import { columnOf, type Field, fieldsOf } from './schema-fields.ts';
import type { SchemaRegistry } from './schema-registry.ts';
import { headerLength, schemaIdOf } from './wire-format.ts';

type Read = (cursor: Cursor) => Row | null;

/**
 * Reads every column of a framed record, each as what its Avro type is, without being told types: for looking
 * through a topic. Of an envelope it reads the row that is in it. Null for bytes that cannot be read so, and for an
 * envelope with two rows.
 */
export class AnyReader {
  readonly #schemas: SchemaRegistry;
  readonly #compiled = new Map<number, Read | null>();
  readonly #cursor = new Cursor();

  constructor(schemas: SchemaRegistry) {
    this.#schemas = schemas;
  }

  /** Errors: `SCHEMA_UNREACHABLE`. */
  async read(bytes: Buffer): Promise<Row | null> {
    const id = schemaIdOf(bytes);
    if (id === null) return null;
    let read = this.#compiled.get(id);
    if (read === undefined) {
      read = await this.#compile(id);
      this.#compiled.set(id, read);
    }
    if (!read) return null;
    this.#cursor.start(bytes, headerLength);
    try {
      return read(this.#cursor);
    } catch (error) {
      if (error instanceof RangeError) return null;
      throw error;
    }
  }

  async #compile(id: number): Promise<Read | null> {
    try {
      const fields = fieldsOf(await this.#schemas.schema(id));
      if (!fields) return null;
      return isEnvelope(fields) ? compileOnly(fields, compileAll) : compileAll(fields);
    } catch (error) {
      if (error instanceof UnknownType || (error as { code?: string }).code === 'SCHEMA_UNKNOWN') return null;
      throw error;
    }
  }
}

class UnknownType extends Error {}

function compileAll(fields: readonly Field[]): (cursor: Cursor) => Row {
  const steps = fields.map((field): { name: string; read: ReadValue } => {
    const read = compileValue(field.type, 'any');
    if (!read) throw new UnknownType();
    return { name: columnOf(field), read };
  });
  return (cursor) => {
    const row: Record<string, Value> = {};
    for (const { name, read } of steps) row[name] = read(cursor) ?? null;
    return row;
  };
}
