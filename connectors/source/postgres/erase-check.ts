import type { SubjectPlace, SubjectTables } from '../erasure.ts';
import { error, fine, warning } from '../findings.ts';
import type { Finding } from '../source.ts';
import { quoteQualified } from './catalog.ts';
import { quoteIdent } from './connection.ts';
import { checkAnonymise } from './erase-anonymise.ts';
import { type EraseCatalog, type EraseTable, referredColumn } from './erase-catalog.ts';
import { checkOthers, checkReference } from './erase-references.ts';

/** Compares a subject with the catalog. An error means that erasing would fail, miss rows or lose them silently. */
export function checkSubject(subject: SubjectTables, catalog: EraseCatalog): Finding[] {
  const findings: Finding[] = [];
  for (const name of new Set(subject.tables.map((t) => t.table))) {
    const table = catalog.tables.get(name);
    if (!table) {
      findings.push(
        error(`table ${name}`, `There is no table ${name}.`, 'Correct its name: schema.table.column.'),
      );
      continue;
    }
    findings.push(...checkTable(table, subject, catalog));
  }
  const known = subject.tables.filter((p) => catalog.tables.has(p.table));
  for (const [i, place] of subject.tables.entries())
    if (known.includes(place)) findings.push(...checkPlace(place, i, { subject, catalog }));
  if (known.length === subject.tables.length)
    for (const foreignKey of catalog.foreignKeys)
      findings.push(...checkReference(foreignKey, subject, catalog));
  return findings;
}

function checkTable(table: EraseTable, subject: SubjectTables, catalog: EraseCatalog): Finding[] {
  const { name } = table;
  const sql = quoteQualified(name);
  const check = `table ${name}`;
  const findings: Finding[] = [];
  const { policy } = subject.tables.find((t) => t.table === name)!;
  if (table.partitionOf)
    findings.push(error(check, `${name} is a partition.`, `List ${table.partitionOf} in its place.`));
  if (!table.columns.some((c) => c.key))
    findings.push(
      error(
        check,
        `${name} has no key, so its rows cannot be told apart.`,
        `ALTER TABLE ${sql} ADD PRIMARY KEY (...);`,
      ),
    );
  const needed = table.missingPrivileges.filter((p) => policy.kind === 'delete' || p !== 'DELETE');
  if (needed.length > 0)
    findings.push(
      error(
        `permission ${name}`,
        `The role may not erase rows of ${name}: it lacks ${needed.join(', ')}.`,
        `GRANT ${needed.join(', ')} ON ${sql} TO ${quoteIdent(catalog.role)};`,
      ),
    );
  if (table.secured)
    findings.push(
      error(
        `permission ${name}`,
        `Row security hides rows of ${name} from the role, so they would be missed.`,
        `ALTER ROLE ${quoteIdent(catalog.role)} BYPASSRLS;`,
      ),
    );
  findings.push(...checkPublished(table, policy, catalog));
  if (policy.kind === 'anonymise') findings.push(...checkAnonymise(table, policy.set, { subject, catalog }));
  const triggers = policy.kind === 'delete' ? table.deleteTriggers : table.updateTriggers;
  for (const trigger of triggers)
    findings.push(
      warning(
        check,
        `The trigger ${trigger} runs when rows of ${name} are erased.`,
        'If it copies them to another table, list that table as well.',
      ),
    );
  return findings;
}

function checkPublished(table: EraseTable, policy: SubjectPlace['policy'], catalog: EraseCatalog): Finding[] {
  // What will be in one that is still to be created is a matter of the source's `tables`.
  if (!catalog.publication.exists) return [];
  const check = `publication of ${table.name}`;
  if ([...table.publishedAs.values()].includes(null))
    return [
      warning(
        check,
        `${table.name} is not published: its rows are erased in Postgres, and what the Log may hold of them from earlier stays.`,
        `ALTER PUBLICATION ${quoteIdent(catalog.publication.name)} ADD TABLE ${quoteQualified(table.name)};`,
      ),
    ];
  const lacks = policy.kind === 'delete' ? !catalog.publication.deletes : !catalog.publication.updates;
  const what = policy.kind === 'delete' ? 'deletes' : 'updates';
  return lacks
    ? [
        error(
          check,
          `The publication leaves out ${what}, so what is erased in ${table.name} would stay everywhere else.`,
          `ALTER PUBLICATION ${quoteIdent(catalog.publication.name)} SET (publish = 'insert, update, delete, truncate');`,
        ),
      ]
    : [fine(check, `Erased rows of ${table.name} are published.`)];
}

function checkPlace(
  place: SubjectPlace,
  index: number,
  { subject, catalog }: { subject: SubjectTables; catalog: EraseCatalog },
): Finding[] {
  const { table: name, column: columnName, through } = place;
  const check = `column ${name}.${columnName}`;
  const table = catalog.tables.get(name)!;
  const column = table.columns.find((c) => c.name === columnName);
  if (!column) return [error(check, `${name} has no column ${columnName}.`, 'Correct its name.')];
  const findings: Finding[] = [];
  const other =
    through ?? (index > 0 ? { table: subject.tables[0]!.table, column: subject.tables[0]!.column } : null);
  if (through && !subject.tables.slice(0, index).some((p) => p.table === through.table))
    return [
      error(
        check,
        `${name} is found through ${through.table}, which is not listed before it.`,
        `List ${through.table} first.`,
      ),
    ];
  if (other) {
    const referred = through ? referredColumn(place, catalog) : other.column;
    if (referred === null)
      return [
        error(
          check,
          `It is not clear which column of ${other.table} ${name}.${columnName} refers to.`,
          `Write it: ${name}.${columnName} -> ${other.table}.<column>.`,
        ),
      ];
    const parent = catalog.tables.get(other.table)?.columns.find((c) => c.name === referred);
    if (!parent) return [error(check, `${other.table} has no column ${referred}.`, 'Correct its name.')];
    if (kindOf(parent.base) !== kindOf(column.base))
      return [
        error(
          check,
          `${name}.${columnName} is of the type ${column.type}, but ${other.table}.${referred} is ${parent.type}.`,
          'Only columns of the same type can hold the same ids: correct the column.',
        ),
      ];
    if (
      !catalog.foreignKeys.some(
        (f) => f.table === name && f.columns.includes(columnName) && f.references.table === other.table,
      )
    )
      findings.push(
        warning(
          check,
          `No foreign key ties ${name}.${columnName} to ${other.table}: a row that is inserted while a subject is erased can be missed.`,
          `ALTER TABLE ${quoteQualified(name)} ADD FOREIGN KEY (${quoteIdent(columnName)}) REFERENCES ${quoteQualified(other.table)} (${quoteIdent(referred)});`,
        ),
      );
  }
  findings.push(...checkOthers(place, subject, catalog));
  if (!column.indexed)
    findings.push(
      warning(
        check,
        `No index begins with ${name}.${columnName}, so erasing reads the whole table.`,
        `CREATE INDEX ${table.partitioned ? '' : 'CONCURRENTLY '}ON ${quoteQualified(name)} (${quoteIdent(columnName)});`,
      ),
    );
  return findings.length > 0 ? findings : [fine(check, `${name}.${columnName} finds rows by an index.`)];
}

/** Types whose values are the same when their texts are. */
const kindOf = (base: string): string =>
  /^int[248]$/.test(base) ? 'integer' : /^(text|varchar|bpchar|name|citext)$/.test(base) ? 'text' : base;
