import type { ForeignKey, SubjectTables } from '../erasure.ts';
import { error, warning } from '../findings.ts';
import type { Finding } from '../source.ts';

/** Foreign keys that refer to rows of the subject, from rows that it does not list. */
export function checkReference(foreignKey: ForeignKey, subject: SubjectTables): Finding[] {
  const { table, references, onDelete } = foreignKey;
  const target = subject.tables.find((p) => p.table === references.table);
  if (!target) return [];
  const check = `foreign key ${foreignKey.name} of ${table}`;
  const deletes = target.policy.kind === 'delete';
  const listed = subject.tables.find((p) => p.table === table);
  if (!covered(foreignKey, subject)) {
    const line = `Add to \`is\`: ${lineOf(foreignKey, subject)}`;
    if (deletes && onDelete === 'cascade')
      return [error(check, `Rows of ${table} that are not listed would go by a cascade, untracked.`, line)];
    return [
      warning(
        check,
        `${table} refers to ${references.table} and is not listed by ${foreignKey.columns.join(', ')}.`,
        line,
      ),
    ];
  }
  const stays = deletes && listed?.policy.kind === 'anonymise';
  if (stays && onDelete !== 'set null' && onDelete !== 'set default')
    return [
      error(
        check,
        `Rows of ${table} stay and refer to rows of ${references.table} that go.`,
        `Anonymise ${references.table} as well, or delete the rows of ${table}.`,
      ),
    ];
  return [];
}

/** True when the rows that refer are found by one of the columns of the foreign key. */
function covered(foreignKey: ForeignKey, subject: SubjectTables): boolean {
  const isId = (table: string, column: string) =>
    subject.tables.some((p) => p.table === table && p.column === column && p.through === null);
  return foreignKey.columns.some((column, i) => {
    const referred = foreignKey.references.columns[i]!;
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

/** The line of `is` that lists a foreign key's rows; of one with several columns, by the first that can do it. */
function lineOf(foreignKey: ForeignKey, subject: SubjectTables): string {
  const { table, columns, references } = foreignKey;
  const root = subject.tables[0]!;
  if (references.table === root.table && references.columns[0] === root.column)
    return `${table}.${columns[0]}`;
  const at = columns.length > 1 || !references.primary ? `.${references.columns[0]}` : '';
  return `${table}.${columns[0]} -> ${references.table}${at}`;
}
