import type { Columns } from '../core/column.ts';
import { InsideoutError, isInsideoutError } from '../core/errors.ts';
import type { Row, Value } from '../core/value.ts';
import type { Key, ViewChange } from '../core/view.ts';
import { type ReadRow, RowReader } from '../log/avro/row-reader.ts';
import type { SchemaRegistry } from '../log/avro/schema-registry.ts';
import type { StoredRecord } from '../log/log.ts';
import type { ViewDefinition } from './view-definition.ts';

/** Turns records of a topic into changes of one view. */
export class Decoder {
  readonly #view: ViewDefinition;
  readonly #keys: RowReader;
  readonly #rows: RowReader;
  readonly #keyColumns: readonly (readonly [string, string])[];
  readonly #stored: readonly string[];

  constructor(view: ViewDefinition, schemas: SchemaRegistry) {
    const { shape, keyFrom } = view;
    this.#view = view;
    this.#keyColumns = shape.key.map((name) => [name, keyFrom[name]!]);
    this.#stored = Object.keys(shape.columns).filter((name) => !shape.key.includes(name));
    const keyTypes: Record<string, Columns[string]> = {};
    for (const [name, source] of this.#keyColumns) keyTypes[source] = shape.columns[name]!;
    this.#keys = new RowReader(schemas, keyTypes);
    this.#rows = new RowReader(schemas, view.reads);
  }

  /** True when `decode` can work without waiting for a schema. */
  ready(record: StoredRecord): boolean {
    if (isTruncate(record)) return true;
    return (
      (record.key === null || this.#keys.find(record.key) !== undefined) &&
      (record.value === null || this.#rows.find(record.value) !== undefined)
    );
  }

  /** Fetches the schemas that the record needs. Errors: those of the registry, `RECORD_UNDECODABLE`. */
  async prepare(record: StoredRecord): Promise<void> {
    if (record.key) await this.#keys.prepare(record.key);
    if (record.value) await this.#rows.prepare(record.value);
  }

  /** The change that a prepared record makes. Errors: `RECORD_UNDECODABLE`, `RECORD_UNCONVERTIBLE`. */
  decode(record: StoredRecord): ViewChange {
    const { offset } = record;
    if (isTruncate(record)) return { op: 'truncate', offset };
    if (record.key === null)
      throw new InsideoutError('RECORD_UNDECODABLE', 'A record has no key.', {
        hint: 'Write it with the primary key as its key; a view cannot tell rows apart otherwise.',
      });
    const keyRow = reader(this.#keys.find(record.key))(record.key)!;
    const key = this.#key(keyRow);
    if (record.value === null) return { op: 'delete', offset, key };
    const source = reader(this.#rows.find(record.value))(record.value);
    const row = source && this.#project(source);
    if (!row) return { op: 'delete', offset, key };
    this.#keyColumns.forEach(([name], i) => {
      row[name] = key[i]!;
    });
    return { op: 'upsert', offset, key, row };
  }

  #key(row: Row): Key {
    return this.#keyColumns.map(([name, source]) => {
      const value = row[source] ?? null;
      if (value === null)
        throw new InsideoutError('RECORD_UNCONVERTIBLE', `The record's key has no column "${source}".`, {
          hint: `Correct the key of the view "${this.#view.shape.name}": it maps "${name}" to "${source}".`,
        });
      return value;
    });
  }

  #project(source: Row): Record<string, Value> | null {
    const { row: project, shape } = this.#view;
    if (!project) return source as Record<string, Value>;
    let made: Row | null;
    try {
      made = project(source);
    } catch (error) {
      // The thrown text may hold values of the row, so only its kind is passed on.
      const kind = error instanceof Error ? error.constructor.name : typeof error;
      throw new InsideoutError(
        'RECORD_UNCONVERTIBLE',
        `The row function of the view "${shape.name}" threw a ${kind}.`,
        {
          hint: 'Make the row function handle this row; `insideout dlq show` prints where it is.',
        },
      );
    }
    if (made === null) return null;
    const row: Record<string, Value> = {};
    for (const name of this.#stored) row[name] = checked(made[name] ?? null, name, this.#view);
    return row;
  }
}

/** A column's value as the store may rely on it: of the declared type. */
function checked(value: Value, name: string, view: ViewDefinition): Value {
  if (value === null) return value;
  const type = view.shape.columns[name]!;
  const fits =
    type === 'int'
      ? typeof value === 'number' && Number.isInteger(value)
      : type === 'bigint'
        ? typeof value === 'bigint' && BigInt.asIntN(64, value) === value
        : type === 'float'
          ? typeof value === 'number'
          : type === 'boolean'
            ? typeof value === 'boolean'
            : type === 'bytes'
              ? value instanceof Uint8Array
              : type === 'array'
                ? Array.isArray(value)
                : typeof value === 'string';
  if (fits) return value;
  throw new InsideoutError(
    'RECORD_UNCONVERTIBLE',
    `The row function gave "${name}" a value that is not ${type}.`,
    {
      hint: `Return ${type === 'bigint' ? 'a bigint' : `what docs/configuration.md says for ${type}`}, or declare another type.`,
    },
  );
}

/** Truncate records have their own schema and say so in a header, so they are known without decoding. */
function isTruncate(record: StoredRecord): boolean {
  const op = record.headers.op;
  return op !== undefined && op.length === 1 && (typeof op === 'string' ? op === 't' : op[0] === 0x74);
}

function reader(found: ReadRow | undefined): ReadRow {
  if (!found)
    throw new InsideoutError('INTERNAL', 'A record was decoded before it was prepared.', {
      hint: 'Please report this.',
    });
  return found;
}

/** True for errors that condemn a record, whatever is tried. */
export const condemnsRecord = (error: unknown): boolean =>
  isInsideoutError(
    error,
    'RECORD_UNDECODABLE',
    'RECORD_UNCONVERTIBLE',
    'RECORD_UNSTORABLE',
    'SCHEMA_UNKNOWN',
  );
