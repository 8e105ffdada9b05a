import type { ForeignKey, SubjectPlace, SubjectTables } from '../erasure.ts';
import { error, warning } from '../findings.ts';
import { refersTo } from '../reference-circles.ts';
import type { Finding } from '../source.ts';
import { quoteQualified } from './catalog.ts';
import { quoteIdent } from './connection.ts';
import { type EraseCatalog, referredColumn } from './erase-catalog.ts';

/**
 * A foreign key that refers to rows of the subject, from rows that it does not list. The mend never names a line
 * that would find rows of other subjects.
 */
export function checkReference(
  foreignKey: ForeignKey,
  subject: SubjectTables,
  catalog: EraseCatalog,
): Finding[] {
  const { table, references, onDelete } = foreignKey;
  const target = subject.tables.find((p) => p.table === references.table);
  if (!target) return [];
  const check = `foreign key ${foreignKey.name} of ${table}`;
  const deletes = target.policy.kind === 'delete';
  const listed = subject.tables.find((p) => p.table === table);
  const clears = onDelete === 'set null' || onDelete === 'set default';
  if (!covered(foreignKey, subject, catalog)) {
    const back = backwards(foreignKey, subject, catalog);
    // Rows of others that refer are let go of, or keep what they refer to.
    if (back && (clears || !deletes)) return [];
    const line = back ? null : lineOf(foreignKey, subject, catalog);
    const mend = line === null ? letGo(foreignKey, back) : `Add to \`is\`: ${line}`;
    if (deletes && onDelete === 'cascade')
      return [error(check, `Rows of ${table} that are not listed would go by a cascade, untracked.`, mend)];
    const by = foreignKey.columns.join(', ');
    const message = back
      ? `Rows of ${table} that refer to a subject's by ${by} may be others', and block its delete as long as they do.`
      : `${table} refers to ${references.table} and is not listed by ${by}.`;
    return [warning(check, message, mend)];
  }
  const stays = deletes && listed?.policy.kind === 'anonymise';
  if (stays && !clears)
    return [
      error(
        check,
        `Rows of ${table} stay and refer to rows of ${references.table} that go.`,
        `Anonymise ${references.table} as well, or delete the rows of ${table}.`,
      ),
    ];
  return [];
}

/** A line by which rows of other subjects are found, or may be. */
export function checkOthers(place: SubjectPlace, subject: SubjectTables, catalog: EraseCatalog): Finding[] {
  const { table, column, through } = place;
  const check = `column ${table}.${column}`;
  const own = subject.tables[0]!;
  const parent = through?.table ?? own.table;
  const back = catalog.foreignKeys.find(
    (f) => f.table === table && f.references.table === parent && f.columns.includes(column),
  );
  if (place !== own && back && backwards(back, subject, catalog))
    return [
      warning(
        check,
        `Whatever rows of ${table} refer to a subject's by ${column} are erased with it, also those of others.`,
        `Leave the line out, unless they are the subject's own. ${letGo(back, true)}`,
      ),
    ];
  const referred = referredColumn(place, catalog);
  if (!through || referred === null || finds(subject, catalog, { table: parent, column: referred }))
    return [];
  const composite = back !== undefined && back.columns.length > 1;
  const target = catalog.tables.get(parent);
  const message = `Rows of ${parent} may share a value of ${referred}, and then ${table}.${column} finds rows of others, which are erased too.`;
  const mend = composite
    ? `It is one column of the foreign key ${back.name}, and foreign keys of several columns are not supported. `
    : '';
  // Of a partitioned table no such index can be made that leaves out the columns that it is partitioned by.
  if (target?.partitioned)
    return [warning(check, message, `${mend}Leave the line out, unless no two rows share one.`)];
  const unique = `CREATE UNIQUE INDEX CONCURRENTLY ON ${quoteQualified(parent)} (${quoteIdent(referred)});`;
  const found = `${mend}Leave the line out, or where no two rows share one: ${unique}`;
  return [composite ? error(check, message, found) : warning(check, message, found)];
}

/** Whoever has a value that a row of the subject has in this column is the subject's as well. */
function finds(
  subject: SubjectTables,
  catalog: EraseCatalog,
  { table, column }: { table: string; column: string },
): boolean {
  if (subject.tables.some((p) => p.table === table && p.column === column)) return true;
  return catalog.tables.get(table)?.columns.find((c) => c.name === column)?.distinct === true;
}

/** From a table to itself, or to one that is found through it: the rows that refer are mostly those of others. */
function backwards({ table, references }: ForeignKey, subject: SubjectTables, catalog: EraseCatalog) {
  if (table === references.table) return true;
  const place = (name: string) => subject.tables.findIndex((p) => p.table === name);
  const before = place(table) >= 0 && place(table) < place(references.table);
  return before && refersTo(references.table, table, catalog.foreignKeys);
}

/** True when the rows that refer, and no others, are found by one of the columns of the foreign key. */
function covered(foreignKey: ForeignKey, subject: SubjectTables, catalog: EraseCatalog): boolean {
  const isId = (table: string, column: string) =>
    subject.tables.some((p) => p.table === table && p.column === column && p.through === null);
  return foreignKey.columns.some((column, i) => {
    const referred = foreignKey.references.columns[i]!;
    if (!finds(subject, catalog, { table: foreignKey.references.table, column: referred })) return false;
    return subject.tables.some(
      (p) =>
        p.table === foreignKey.table &&
        p.column === column &&
        (p.through === null
          ? isId(foreignKey.references.table, referred)
          : p.through.table === foreignKey.references.table && (p.through.column ?? referred) === referred),
    );
  });
}

/**
 * The line of `is` that finds a foreign key's rows and no others; of one with several columns, by a column that tells
 * the row it refers to by itself. Null where there is none.
 */
function lineOf(foreignKey: ForeignKey, subject: SubjectTables, catalog: EraseCatalog): string | null {
  const { table, columns, references } = foreignKey;
  const root = subject.tables[0]!;
  const at = references.columns.findIndex((column) =>
    finds(subject, catalog, { table: references.table, column }),
  );
  if (at < 0) return null;
  const referred = references.columns[at]!;
  if (references.table === root.table && referred === root.column) return `${table}.${columns[at]}`;
  const written = columns.length > 1 || !references.primary ? `.${referred}` : '';
  return `${table}.${columns[at]} -> ${references.table}${written}`;
}

/** What lets a row go to which rows refer that no line can name. */
function letGo({ name, table, columns, references }: ForeignKey, back: boolean): string {
  const list = (names: readonly string[]) => names.map(quoteIdent).join(', ');
  const key = quoteIdent(name);
  const sql = `ALTER TABLE ${quoteQualified(table)} DROP CONSTRAINT ${key}, ADD CONSTRAINT ${key} FOREIGN KEY (${list(columns)}) REFERENCES ${quoteQualified(references.table)} (${list(references.columns)}) ON DELETE SET NULL;`;
  return back
    ? `Have the application set ${columns.join(', ')} to null first, or let Postgres do it: ${sql}`
    : `A line cannot follow several columns, and one of them alone would find rows of others: have the application delete these rows first, list a column of ${table} that holds the subject's id, or let Postgres clear what refers: ${sql}`;
}
