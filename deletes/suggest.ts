import type { ForeignKey } from '../connectors/source/erasure.ts';
import { refersTo } from '../connectors/source/reference-circles.ts';

export interface SuggestedSubject {
  /** For `is` in the config; each line comes after the table that it refers to. */
  readonly is: readonly string[];
  /** What refers to these tables and is not in the list, with the reason; one sentence each. */
  readonly leftOut: readonly string[];
}

/**
 * The tables that hold rows of a subject, as far as foreign keys tell: the subject's own table, and all that refer
 * to it or to one another. What only shares a value without a foreign key is not found.
 *
 * @param root `schema.table.column`, or `schema.table`: then the column is the one that foreign keys refer to
 */
export function suggestSubject(root: string, foreignKeys: readonly ForeignKey[]): SuggestedSubject {
  const own = rootOf(root, foreignKeys);
  const is = [`${own.table}.${own.column}`];
  const leftOut: string[] = [];
  const order = [own.table];
  // Grows while it is walked: tables in the order in which they are reached.
  for (const parent of order) {
    for (const key of foreignKeys.filter((f) => f.references.table === parent)) {
      const reason = whyNot(key, { order, foreignKeys });
      if (reason !== null) {
        leftOut.push(`${nameOf(key)} ${reason}`);
        continue;
      }
      const line = lineOf(key, own);
      if (!is.includes(line)) is.push(line);
      if (!order.includes(key.table)) order.push(key.table);
    }
  }
  return { is, leftOut };
}

/**
 * Tables that may be a subject's own: others refer to them, and they to none that does not refer back to them. In
 * the order of their names.
 */
export function rootsOf(foreignKeys: readonly ForeignKey[]): string[] {
  const referred = new Set(
    foreignKeys.filter((f) => f.table !== f.references.table).map((f) => f.references.table),
  );
  return [...referred]
    .filter((table) =>
      foreignKeys.every(
        ({ table: from, references: { table: to } }) =>
          from !== table || to === table || refersTo(to, table, foreignKeys),
      ),
    )
    .sort();
}

function rootOf(root: string, foreignKeys: readonly ForeignKey[]): { table: string; column: string } {
  const referred = foreignKeys.map((f) => f.references);
  const asTable = referred.filter((r) => r.table === root && r.columns.length === 1);
  const column = (asTable.find((r) => r.primary) ?? asTable[0])?.columns[0];
  if (column !== undefined) return { table: root, column };
  const dot = root.lastIndexOf('.');
  return root.indexOf('.') === dot
    ? { table: root, column: 'id' }
    : { table: root.slice(0, dot), column: root.slice(dot + 1) };
}

function whyNot(
  key: ForeignKey,
  { order, foreignKeys }: { order: readonly string[]; foreignKeys: readonly ForeignKey[] },
): string | null {
  const { table, columns, references } = key;
  if (columns.length > 1)
    return `has several columns, which a line cannot express: one of them alone may find rows of other subjects`;
  if (table === references.table)
    return 'refers to rows of its own table: those may belong to other subjects';
  const back = order.includes(table) && order.indexOf(table) < order.indexOf(references.table);
  if (back && refersTo(references.table, table, foreignKeys))
    return `closes a circle of foreign keys: rows of ${table} that are found this way may belong to other subjects`;
  if (
    [...columns, ...references.columns].some((c) => /[.\s]/.test(c)) ||
    [table, references.table].some(unwritable)
  )
    return 'has a name with a space, or a column with a dot, which a line cannot express';
  return null;
}

const unwritable = (table: string): boolean => /\s/.test(table);

/** The referred column is written where it is not the primary key, or where the line would not say which it is. */
function lineOf({ table, columns, references }: ForeignKey, own: { table: string; column: string }): string {
  const [column] = references.columns;
  if (references.table === own.table && column === own.column) return `${table}.${columns[0]}`;
  return `${table}.${columns[0]} -> ${references.table}${references.primary ? '' : `.${column}`}`;
}

const nameOf = (key: ForeignKey): string =>
  `${key.table} (${key.columns.join(', ')}) -> ${key.references.table}`;
