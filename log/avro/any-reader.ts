import type { Row, Value } from '../../core/value.ts';
import { Cursor } from './cursor.ts';
import { columnOf, fieldsOf } from './row-reader.ts';
import { compileValue, type ReadValue } from './row-values.ts';
import type { SchemaRegistry } from './schema-registry.ts';
import { headerLength, schemaIdOf } from './wire-format.ts';

interface Step {
  readonly name: string;
  readonly read: ReadValue;
}

/**
 * Reads every column of a framed record, each as what its Avro type is, without being told types: for looking
 * through a topic. Null for bytes that cannot be read so.
 */
export class AnyReader {
  readonly #schemas: SchemaRegistry;
  readonly #steps = new Map<number, readonly Step[] | null>();
  readonly #cursor = new Cursor();

  constructor(schemas: SchemaRegistry) {
    this.#schemas = schemas;
  }

  /** Errors: `SCHEMA_UNREACHABLE`. */
  async read(bytes: Buffer): Promise<Row | null> {
    const id = schemaIdOf(bytes);
    if (id === null) return null;
    let steps = this.#steps.get(id);
    if (steps === undefined) {
      steps = await this.#compile(id);
      this.#steps.set(id, steps);
    }
    if (!steps) return null;
    this.#cursor.start(bytes, headerLength);
    const row: Record<string, Value> = {};
    try {
      for (const { name, read } of steps) row[name] = read(this.#cursor) ?? null;
    } catch (error) {
      if (error instanceof RangeError) return null;
      throw error;
    }
    return row;
  }

  async #compile(id: number): Promise<readonly Step[] | null> {
    try {
      const fields = fieldsOf(await this.#schemas.schema(id));
      if (!fields) return null;
      const steps = fields.map((field) => ({ name: columnOf(field), read: compileValue(field.type, 'any') }));
      return steps.every((step): step is Step => step.read !== null) ? steps : null;
    } catch (error) {
      if ((error as { code?: string }).code === 'SCHEMA_UNKNOWN') return null;
      throw error;
    }
  }
}
