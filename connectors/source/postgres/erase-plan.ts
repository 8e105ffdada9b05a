import { InsideoutError } from '../../../core/errors.ts';
import type { ForeignKey, SubjectPlace, SubjectTables } from '../erasure.ts';
import { parseReplacement, type RandomText, type Replacement } from '../replacement.ts';
import { quoteQualified } from './catalog.ts';
import { isNumber } from './erase-anonymise.ts';
import { columnOf, type EraseCatalog, type EraseColumn, referredColumn } from './erase-catalog.ts';
import { checkSubject } from './erase-check.ts';
import { foreignKeyStamp } from './foreign-keys.ts';

/** One way in which rows of a table are found. */
export interface PlannedPlace {
  readonly table: PlannedTable;
  readonly column: string;
  /** SQL type that the values are compared as, so that an index of the column is used. */
  readonly type: string;
  /** Equal values are the same text, in Postgres and in the Log. */
  readonly exact: boolean;
  /** Rows whose values are looked for, and which of the columns that are read of them; null for the subject's id. */
  readonly through: { readonly table: PlannedTable; readonly index: number } | null;
}

export interface PlannedTable {
  readonly name: string;
  readonly sql: string;
  readonly key: readonly EraseColumn[];
  /** The columns that are read of each row, the key's first. */
  readonly read: readonly EraseColumn[];
  readonly telling: readonly string[];
  readonly policy: SubjectPlace['policy'];
  /** What an anonymised row gets; nothing where rows are deleted. */
  readonly overwrite: readonly { readonly column: EraseColumn; readonly value: RandomText | null }[];
  readonly partitioned: boolean;
  /** Of a partitioned table: topics by the oid of the partition that holds the row. */
  readonly topics: ReadonlyMap<string, string>;
  /** Of any other table. */
  readonly topic: string;
}

/** How a subject is erased, made from the catalog once and used for many ids. */
export interface ErasePlan {
  readonly idType: string;
  /** In the order in which rows are found. */
  readonly places: readonly PlannedPlace[];
  /** In the order in which rows go: what refers first. */
  readonly deletion: readonly PlannedTable[];
  /** A table is found in two ways, so what the second one finds may lead to more rows by the first ones. */
  readonly again: boolean;
  readonly stamp: { readonly sql: string; readonly value: string };
}

/**
 * Errors: `CONFIG_INVALID` when the check of the subject has an error; then nothing may be erased, because rows
 * would be missed or would vanish without a trace in the Log.
 */
export function planErasure(subject: SubjectTables, catalog: EraseCatalog, source: string): ErasePlan {
  const wrong = checkSubject(subject, catalog).find((f) => f.severity === 'error');
  if (wrong)
    throw new InsideoutError(
      wrong.check.startsWith('permission') ? 'SOURCE_PERMISSION' : 'CONFIG_INVALID',
      wrong.message,
      { hint: wrong.mend ?? 'Correct the subject in the config.' },
    );
  const names = [...new Set(subject.tables.map((t) => t.table))];
  const tables = new Map(names.map((name) => [name, planTable(subject, catalog, { name, source })]));
  const places = subject.tables.map((place): PlannedPlace => {
    const referred = place.through && tables.get(place.through.table)!;
    const by = referredColumn(place, catalog);
    const column = columnOf(catalog.tables.get(place.table)!, place.column);
    const index = referred ? referred.read.findIndex((c) => c.name === by) : -1;
    return {
      table: tables.get(place.table)!,
      column: place.column,
      type: comparedAs(column),
      exact: writtenAlike(column) && (!referred || writtenAlike(referred.read[index]!)),
      through: referred && { table: referred, index },
    };
  });
  const oids = names.map((name) => catalog.tables.get(name)!.oid);
  return {
    idType: comparedAs(columnOf(catalog.tables.get(names[0]!)!, subject.tables[0]!.column)),
    places,
    deletion: deletionOrder(subject, catalog.foreignKeys).map((name) => tables.get(name)!),
    again: names.length < subject.tables.length || subject.tables.some((p) => p.through?.table === p.table),
    stamp: { sql: foreignKeyStamp(`'{${oids.join(',')}}'`), value: catalog.stamp },
  };
}

function planTable(
  subject: SubjectTables,
  catalog: EraseCatalog,
  { name, source }: { name: string; source: string },
): PlannedTable {
  const table = catalog.tables.get(name)!;
  const { policy } = subject.tables.find((t) => t.table === name)!;
  const key = table.columns.filter((c) => c.key);
  const telling = table.columns.filter((c) => tells(c, policy));
  const referred = subject.tables
    .filter((p) => p.through?.table === name)
    .map((p) => columnOf(table, referredColumn(p, catalog)!));
  const topicOf = (published: string) => `${source}.${published}`;
  const overwrite = Object.entries(policy.kind === 'anonymise' ? policy.set : {}).map(([column, value]) => ({
    column: columnOf(table, column),
    value: textOf(value),
  }));
  return {
    name,
    sql: quoteQualified(name),
    key,
    read: [...new Set([...key, ...telling, ...referred, ...overwrite.map((o) => o.column)])],
    telling: telling.map((c) => c.name),
    policy,
    overwrite,
    partitioned: table.partitioned,
    topics: new Map([...table.publishedAs].map(([oid, published]) => [oid, topicOf(published ?? name)])),
    topic: topicOf(name),
  };
}

function textOf(value: Replacement): RandomText | null {
  if (typeof value !== 'string') return value === null ? null : [String(value)];
  const parsed = parseReplacement(value);
  // What is not clear was refused by the check.
  return 'problem' in parsed ? [value] : parsed;
}

function tells(column: EraseColumn, policy: SubjectPlace['policy']): boolean {
  if (!column.unique || isNumber(column)) return false;
  return policy.kind === 'delete' || column.name in policy.set;
}

/** Whole numbers of all sizes are compared with each other by the index of any; other types as themselves. */
function comparedAs(column: EraseColumn): string {
  return integers.has(column.base) ? 'bigint' : column.type;
}
const integers = new Set(['int2', 'int4', 'int8']);

/** Other types have equal values that are written in several ways: 1.0 and 1, or texts in any case. */
const writtenAlike = ({ base, bytewise }: EraseColumn): boolean =>
  bytewise && (integers.has(base) || plainTexts.has(base));
const plainTexts = new Set(['oid', 'uuid', 'text', 'varchar', 'name']);

/** The topics that rows of a table may be in. */
export const topicsOf = (table: PlannedTable): string[] =>
  table.partitioned ? [...new Set(table.topics.values())] : [table.topic];

/**
 * Tables in the order in which their rows can go: what refers before what it refers to. Within a cycle of
 * foreign keys those go first that are listed last.
 */
export function deletionOrder(subject: SubjectTables, foreignKeys: readonly ForeignKey[]): string[] {
  const left = [...new Set(subject.tables.map((t) => t.table))].reverse();
  const order: string[] = [];
  while (left.length > 0) {
    const free = left.findIndex(
      (name) =>
        !foreignKeys.some((f) => f.references.table === name && f.table !== name && left.includes(f.table)),
    );
    order.push(...left.splice(Math.max(free, 0), 1));
  }
  return order;
}
