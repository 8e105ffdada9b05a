import type { SubjectTables } from '../erasure.ts';
import { error, warning } from '../findings.ts';
import { isRandom, parseReplacement, type Replacement } from '../replacement.ts';
import type { Finding } from '../source.ts';
import { type EraseCatalog, type EraseColumn, type EraseTable, referredColumn } from './erase-catalog.ts';

/** What the columns that are overwritten, and those that are not, do not allow or leave of the subject. */
export function checkAnonymise(
  table: EraseTable,
  set: Readonly<Record<string, Replacement>>,
  { subject, catalog }: { subject: SubjectTables; catalog: EraseCatalog },
): Finding[] {
  const findings: Finding[] = [];
  const check = (column: string) => `anonymise ${table.name}.${column}`;
  const bad = (column: string, what: string, mend: string) =>
    findings.push(error(check(column), `${table.name}.${column} ${what}.`, mend));
  const leave = 'Leave it out of `anonymise`, or delete the rows.';
  for (const [name, value] of Object.entries(set)) {
    const column = table.columns.find((c) => c.name === name);
    const refersHere = subject.tables.some(
      (p) => p.through?.table === table.name && referredColumn(p, catalog) === name,
    );
    const parsed = typeof value === 'string' ? parseReplacement(value) : [''];
    if (!column) bad(name, 'does not exist', 'Correct its name under `anonymise`.');
    else if (column.key) bad(name, 'is part of the key', leave);
    else if (column.generated) bad(name, 'is computed by Postgres', leave);
    else if (refersHere) bad(name, 'is what other rows of the subject are found by', leave);
    else if ('problem' in parsed) bad(name, 'gets a text that is not clear', `It ${parsed.problem}.`);
    else if (value === null && column.notNull)
      bad(name, 'may not be null', 'Give another value, drop NOT NULL, or delete the rows.');
    else if (isRandom(value) && isNumber(column))
      bad(name, `is of the type ${column.type}, and {random} is a text`, orNull(column));
    else if (value !== null && column.distinct && !isRandom(value))
      bad(
        name,
        'is unique, so no two rows can have this value',
        isNumber(column)
          ? orNull(column)
          : "Make it another one in each row, with {random} in its text, as in 'erased-{random}@example.invalid'.",
      );
    else if (value !== null && column.unique && !isRandom(value))
      findings.push(
        warning(
          check(name),
          `${table.name}.${name} is unique where its index says so, and then only one row can have this value.`,
          'See that the index leaves it out, or make it another one in each row, with {random} in its text.',
        ),
      );
  }
  const found = subject.tables.filter((p) => p.table === table.name).map((p) => p.column);
  for (const { name, unique, key } of table.columns)
    if (unique && !key && !(name in set) && !found.includes(name))
      findings.push(
        warning(
          check(name),
          `${table.name}.${name} is unique, stays as it is, and so may tell whose row it was.`,
          'Add it under `anonymise`.',
        ),
      );
  return findings;
}

const orNull = ({ notNull }: EraseColumn): string =>
  notNull ? 'Drop NOT NULL and set it to null, or delete the rows.' : 'Set it to null, or delete the rows.';

const numbers = new Set(['int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'numeric', 'money', 'bool']);

/** Numbers say nothing of the subject wherever they are found, for other columns hold the same ones; nor are they texts. */
export const isNumber = ({ base }: EraseColumn): boolean => numbers.has(base);
