import type { Columns } from '../../core/column.ts';
import { InsideoutError, isInsideoutError } from '../../core/errors.ts';
import { type EndOf, endOf } from '../../core/lifetime.ts';
import type { Row, Value } from '../../core/value.ts';
import type { Key, ViewChange } from '../../core/view.ts';
import { type ReadRow, RowReader } from '../../log/avro/row-reader.ts';
import type { SchemaRegistry } from '../../log/avro/schema-registry.ts';
import { isTruncate } from '../../log/avro/truncate-record.ts';
import type { StoredRecord } from '../../log/log.ts';
import type { ViewDefinition } from '../view-definition.ts';
import { checkRow, rowFunctionThrew } from './row-check.ts';

/** Turns records of a topic into changes of one view. */
export class Decoder {
  readonly #view: ViewDefinition;
  readonly #keys: RowReader;
  readonly #rows: RowReader;
  readonly #keyColumns: readonly (readonly [string, string])[];
  /** The columns that the row function makes. */
  readonly #stored: readonly string[];
  /** Names under which the row function sees key columns, and which: also where they are in no value. */
  readonly #keyInRow: readonly (readonly [string, number])[];
  readonly #end: EndOf | null;

  /** `lacks` is told of columns that the view reads and a writer does not have, of each once: they are null. */
  constructor(view: ViewDefinition, schemas: SchemaRegistry, lacks?: (columns: readonly string[]) => void) {
    const { shape, keyFrom } = view;
    this.#view = view;
    this.#end = endOf(shape);
    this.#keyColumns = shape.key.map((name) => [name, keyFrom[name]!]);
    const readsStored = view.reads === shape.columns;
    this.#keyInRow = this.#keyColumns.flatMap(([name, source], i): [string, number][] => {
      // Declared under the view's names, a renamed key column is not among the source's columns.
      if (readsStored) return [[name, i]];
      return view.reads[source] === shape.columns[name] ? [[source, i]] : [];
    });
    this.#stored = Object.keys(shape.columns).filter((name) => !shape.key.includes(name));
    const keyTypes: Record<string, Columns[string]> = {};
    for (const [name, source] of this.#keyColumns) keyTypes[source] = shape.columns[name]!;
    this.#keys = new RowReader(schemas, keyTypes);
    this.#rows = new RowReader(
      schemas,
      view.reads,
      lacks && ((columns) => this.#tellLacking(columns, lacks)),
    );
  }

  #tellLacking(columns: readonly string[], lacks: (columns: readonly string[]) => void): void {
    // The key is not read from there.
    const read = columns.filter((c) => !this.#keyInRow.some(([name]) => name === c));
    if (read.length > 0) lacks(read);
  }

  /** True when `decode` can work without waiting for a schema. */
  ready(record: StoredRecord): boolean {
    if (isTruncate(record)) return true;
    return (
      (record.key === null || this.#keys.find(record.key) !== undefined) &&
      (record.value === null || this.#rows.find(record.value) !== undefined)
    );
  }

  /** Fetches the schemas that the record needs. Errors: those of the registry and of `RowReader`. */
  async prepare(record: StoredRecord, signal: AbortSignal): Promise<void> {
    if (record.key) await this.#keys.prepare(record.key, signal);
    if (record.value) await this.#rows.prepare(record.value, signal);
  }

  /** The change that a prepared record makes. Errors: `RECORD_UNDECODABLE`, `RECORD_UNCONVERTIBLE`. */
  decode(record: StoredRecord): ViewChange {
    const { offset } = record;
    if (isTruncate(record)) return { op: 'truncate', offset };
    if (record.key === null)
      throw new InsideoutError('RECORD_UNDECODABLE', 'A record has no key.', {
        hint: 'Write it with the primary key as its key; a view cannot tell rows apart otherwise.',
      });
    const key = this.#key(reader(this.#keys.find(record.key))(record.key) ?? {});
    if (record.value === null) return { op: 'delete', offset, key };
    const source = reader(this.#rows.find(record.value))(record.value);
    const row = source && this.#project(source, key);
    if (!row) return { op: 'delete', offset, key };
    const names = this.#view.shape.key;
    for (let i = 0; i < names.length; i++) row[names[i]!] = key[i]!;
    if (this.#end) this.#checkEnd(row, this.#end);
    return { op: 'upsert', offset, key, row };
  }

  /** A row whose end nobody can tell would stay for ever. */
  #checkEnd(row: Row, end: EndOf): void {
    try {
      end(row);
    } catch {
      const { name, ttl } = this.#view.shape;
      throw new InsideoutError(
        'RECORD_UNCONVERTIBLE',
        `The column "${ttl?.column}" of the view "${name}", from which its rows end, holds no date or timestamp.`,
        { hint: 'Name another column in ttl, or make one with row: text as Postgres or ISO 8601 writes it.' },
      );
    }
  }

  /** The view's key of a prepared record, also where its value cannot be decoded; null when it has none. */
  keyOf(record: StoredRecord): Key | null {
    const read = record.key && this.#keys.find(record.key);
    if (!read || isTruncate(record)) return null;
    try {
      return this.#key(read(record.key!) ?? {});
    } catch (error) {
      if (condemnsRecord(error)) return null;
      throw error;
    }
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

  #project(source: Row, key: Key): Record<string, Value> | null {
    const { row: project, shape } = this.#view;
    if (!project) return source as Record<string, Value>;
    for (const [name, i] of this.#keyInRow) (source as Record<string, Value>)[name] = key[i]!;
    let made: Row | null;
    try {
      made = project(source);
    } catch (error) {
      throw rowFunctionThrew(shape.name, error);
    }
    return made === null ? null : checkRow(made, this.#stored, shape);
  }
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
