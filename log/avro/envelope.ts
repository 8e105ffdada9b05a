import type { Row } from '../../core/value.ts';
import type { Cursor } from './cursor.ts';
import { compileSkip, isPrimitive, type Skip } from './row-skip.ts';
import { type Field, fieldsOf } from './schema-fields.ts';
import type { AvroSchema } from './schema-registry.ts';

/**
 * Debezium's envelope: what a row was is in `before`, what it is in `after`; a delete has no `after`.
 * https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-change-events-value
 */

type CompileFields = (fields: readonly Field[], names: Map<string, Skip>) => (cursor: Cursor) => Row;
type ReadSide = (cursor: Cursor) => Row | null;

/** A table may have columns of these names, too; only an envelope's hold a record. */
export const isEnvelope = (fields: readonly Field[]): boolean =>
  ['before', 'after', 'op'].every((name) => fields.some((f) => f.name === name)) &&
  holdsRecord(fields.find((f) => f.name === 'after')!.type);

/** The fields of the rows that a schema tells of, in an envelope or not; null when it is no record's. */
export function rowFields(schema: AvroSchema): readonly Field[] | null {
  const fields = fieldsOf(schema);
  return fields && isEnvelope(fields) ? fieldsInside(fields) : fields;
}

/** Compiles the reader of what a row is; null for a delete. */
export function compileAfter(fields: readonly Field[], compile: CompileFields): ReadSide {
  const { skips, after } = compileSides(fields, compile);
  return (cursor) => {
    for (const { skip } of skips) skip(cursor);
    return after(cursor);
  };
}

/**
 * Compiles the reader of a record that tells of one state of a row: what it is, or of a deleted one what it was. Null
 * for a record that tells of two.
 */
export function compileOnly(fields: readonly Field[], compile: CompileFields): ReadSide {
  const { skips, before, after } = compileSides(fields, compile);
  return (cursor) => {
    let was: Row | null = null;
    for (const { name, skip } of skips)
      if (name === 'before') was = before(cursor);
      else skip(cursor);
    const is = after(cursor);
    return was && is ? null : (is ?? was);
  };
}

function compileSides(fields: readonly Field[], compile: CompileFields) {
  const names = new Map<string, Skip>();
  const first = fields.slice(
    0,
    fields.findIndex((f) => f.name === 'after'),
  );
  // Also of the side that is read, because the other may only mention its type.
  const skips = first.map(({ name, type }) => ({ name, skip: compileSkip(type, names) }));
  const inside = fieldsInside(fields)!;
  const side = (name: string): ReadSide => {
    const type = fields.find((f) => f.name === name)!.type;
    const branches = Array.isArray(type) ? type : [type];
    const readers = branches.map((b) => (b === 'null' ? null : compile(fieldsOf(b) ?? inside, names)));
    return (cursor) => readers[Array.isArray(type) ? cursor.size() : 0]?.(cursor) ?? null;
  };
  return { skips, before: side('before'), after: side('after') };
}

/** The record that one side defines and the other mentions. */
function fieldsInside(fields: readonly Field[]): readonly Field[] | null {
  const types = fields.flatMap((f) => (Array.isArray(f.type) ? f.type : [f.type]));
  return types.map(fieldsOf).find((f) => f !== null) ?? null;
}

/** True for a record, and for the name of one that was defined before. */
function holdsRecord(type: AvroSchema): boolean {
  if (Array.isArray(type)) return type.some(holdsRecord);
  return typeof type === 'string' ? !isPrimitive(type) : fieldsOf(type) !== null;
}
