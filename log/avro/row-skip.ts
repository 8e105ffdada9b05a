import type { Cursor } from './cursor.ts';
import type { AvroSchema } from './schema-registry.ts';

export type Skip = (cursor: Cursor) => void;

/** Compiles what moves past a value without making it. Named types that were seen before are found by name. */
export function compileSkip(schema: AvroSchema, names: Map<string, Skip>): Skip {
  if (typeof schema === 'string') return primitives[schema] ?? named(schema, names);
  if (Array.isArray(schema)) {
    const branches = schema.map((branch) => compileSkip(branch, names));
    return (cursor) => {
      const branch = branches[cursor.size()];
      if (!branch) throw new RangeError('a union branch does not exist');
      branch(cursor);
    };
  }
  switch (schema.type) {
    case 'record': {
      const name = fullName(schema);
      const parts: Skip[] = [];
      const skip: Skip = (cursor) => {
        for (const part of parts) part(cursor);
      };
      // Before its fields, which may mention it.
      names.set(name, skip);
      for (const field of schema.fields as { type: AvroSchema }[]) parts.push(compileSkip(field.type, names));
      return skip;
    }
    case 'enum':
      names.set(fullName(schema), primitives.int!);
      return primitives.int!;
    case 'fixed': {
      const skip: Skip = (cursor) => void cursor.take(Number(schema.size));
      names.set(fullName(schema), skip);
      return skip;
    }
    case 'array':
      return blocks(compileSkip(schema.items as AvroSchema, names));
    case 'map': {
      const value = compileSkip(schema.values as AvroSchema, names);
      return blocks((cursor) => {
        primitives.string!(cursor);
        value(cursor);
      });
    }
    default:
      return compileSkip(schema.type as AvroSchema, names);
  }
}

export function fullName(schema: { readonly [field: string]: unknown }): string {
  const name = String(schema.name);
  return schema.namespace && !name.includes('.') ? `${String(schema.namespace)}.${name}` : name;
}

function named(name: string, names: Map<string, Skip>): Skip {
  const found = names.get(name) ?? [...names].find(([full]) => full.endsWith(`.${name}`))?.[1];
  if (!found) throw new RangeError(`the schema mentions an unknown type "${name}"`);
  return found;
}

const sized: Skip = (cursor) => void cursor.take(cursor.size());
const primitives: Readonly<Record<string, Skip>> = {
  null: () => {},
  boolean: (cursor) => void cursor.take(1),
  int: (cursor) => void cursor.long(),
  long: (cursor) => void cursor.long(),
  float: (cursor) => void cursor.take(4),
  double: (cursor) => void cursor.take(8),
  bytes: sized,
  string: sized,
};

/** True for the names of Avro's own types; every other name is that of a type defined in the schema. */
export const isPrimitive = (name: string): boolean => Object.hasOwn(primitives, name);

function blocks(item: Skip): Skip {
  return (cursor) => {
    for (let count = cursor.size(); count !== 0; count = cursor.size()) {
      // A negative count says that the block's length in bytes follows.
      if (count < 0) cursor.take(cursor.size());
      else {
        cursor.expect(count);
        for (let i = 0; i < count; i++) item(cursor);
      }
    }
  };
}
