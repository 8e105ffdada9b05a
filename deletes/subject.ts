import { parseReplacement, type Replacement } from '../connectors/source/replacement.ts';

/** What happens to the rows of a table when their subject is erased. */
export type ErasePolicy =
  | { readonly kind: 'delete' }
  /** The rows stay, with these values in place of what they told of the subject. */
  | { readonly kind: 'anonymise'; readonly set: Readonly<Record<string, Replacement>> };

/** Where a table holds the subject: the column is the subject's id, or refers to a row of a table that is listed before. */
export interface SubjectTable {
  /** `schema.table`. */
  readonly table: string;
  readonly column: string;
  readonly through: { readonly table: string; readonly column: string | null } | null;
  readonly policy: ErasePolicy;
}

/** A kind of person or entity that can be erased. The first table is the subject's own. */
export interface Subject {
  readonly name: string;
  /** Name of the source in the config. */
  readonly source: string;
  readonly tables: readonly SubjectTable[];
}

/** What the config declares. */
export interface SubjectDeclaration {
  readonly source: string;
  /**
   * The subject's own table and column first, then every other place: `public.customers.id`,
   * `public.orders.customer_id`, `public.payments.order_id -> public.orders`.
   */
  readonly is: readonly string[];
  /**
   * Tables whose rows stay, with the values that they get; `{random}` in a text is a new UUID in each row. Default:
   * rows are deleted.
   */
  readonly anonymise?: Readonly<Record<string, Readonly<Record<string, Replacement>>>> | undefined;
}

/** Reads a declaration; its problems as path and sentence instead, when there are any. */
export function parseSubject(
  name: string,
  declared: SubjectDeclaration,
): { subject: Subject; problems: { path: string; message: string }[] } {
  const problems: { path: string; message: string }[] = [];
  const tables: SubjectTable[] = [];
  declared.is.forEach((text, i) => {
    const [left = '', right, ...more] = text.split('->').map((part) => part.trim());
    const own = splitLast(left);
    if (!own || more.length > 0 || right === '') {
      problems.push({
        path: `is.${i}`,
        message: `"${text}" is written schema.table.column, or schema.table.column -> schema.table`,
      });
      return;
    }
    const [table, column] = own;
    const through = right === undefined ? null : referred(right, tables);
    if (i === 0 && through)
      problems.push({ path: `is.${i}`, message: "is the subject's own table, and refers to no other" });
    if (through && !tables.some((t) => t.table === through.table))
      problems.push({
        path: `is.${i}`,
        message: `refers to ${through.table}, which must be listed before it`,
      });
    if (tables.some((t) => t.table === table && t.column === column))
      problems.push({ path: `is.${i}`, message: `${table}.${column} is listed twice` });
    const set = declared.anonymise?.[table];
    if (set && column in set)
      problems.push({
        path: `anonymise.${table}.${column}`,
        message: 'is what the rows are found by: leave it out, or delete the rows',
      });
    tables.push({
      table,
      column,
      through,
      policy: set ? { kind: 'anonymise', set } : { kind: 'delete' },
    });
  });
  for (const [table, set] of Object.entries(declared.anonymise ?? {})) {
    if (!tables.some((t) => t.table === table))
      problems.push({ path: `anonymise.${table}`, message: 'is not among the tables of `is`' });
    for (const [column, value] of Object.entries(set)) {
      const parsed = typeof value === 'string' ? parseReplacement(value) : null;
      if (parsed && 'problem' in parsed)
        problems.push({ path: `anonymise.${table}.${column}`, message: parsed.problem });
    }
  }
  return { subject: { name, source: declared.source, tables }, problems };
}

/** `schema.table` and `column`; null when there are fewer parts. A table's own name may hold dots. */
function splitLast(text: string): [string, string] | null {
  const match = /^([^.]+\..+)\.([^.]+)$/.exec(text);
  return match ? [match[1]!, match[2]!] : null;
}

/** A table that is listed, or a table and its column. */
function referred(text: string, listed: readonly SubjectTable[]): { table: string; column: string | null } {
  const known = (table: string) => listed.some((t) => t.table === table);
  const split = splitLast(text);
  return split && !known(text) && known(split[0])
    ? { table: split[0], column: split[1] }
    : { table: text, column: null };
}
