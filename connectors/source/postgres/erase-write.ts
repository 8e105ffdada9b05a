import type pg from 'pg';
import { InsideoutError } from '../../../core/errors.ts';
import { quoteIdent } from './connection.ts';
import { refersToNothing } from './erase-errors.ts';
import type { PlannedTable } from './erase-plan.ts';
import { byKeys, type FoundRow, prepared } from './erase-rows.ts';

/** Deletes or overwrites rows by their keys, all of them or none. */
export async function eraseRows(
  client: pg.Client,
  table: PlannedTable,
  found: ReadonlyMap<string, FoundRow> | undefined,
): Promise<void> {
  if (!found || found.size === 0) return;
  const rows = [...found.values()];
  const keys = table.key.map((_, i) => rows.map((row) => row.values[i] ?? null));
  const { from, where } = byKeys(table, 'erased');
  const { values, parameters } = assignments(table, keys.length);
  const text =
    table.policy.kind === 'delete'
      ? `delete from ${table.sql} erased using ${from} where ${where}`
      : `update ${table.sql} erased set ${values} from ${from} where ${where}`;
  if (table.policy.kind === 'anonymise' && values === '') return;
  const { rowCount } = await client
    .query(prepared(text, [...keys, ...parameters]))
    .catch((error: unknown) => {
      throw table.policy.kind === 'anonymise' ? (refersToNothing(error, table.name) ?? error) : error;
    });
  if (rowCount !== rows.length)
    throw new InsideoutError(
      'CONFIG_INVALID',
      `Of ${rows.length} rows of ${table.name} only ${rowCount} could be erased; nothing was done.`,
      {
        hint: `Look for a trigger or a rule of ${table.name} that keeps rows, or for foreign keys in a circle.`,
      },
    );
}

/**
 * Values are assigned without their column's length, so that one that is too long is an error and not cut off. A
 * random one is made by Postgres for each row: https://www.postgresql.org/docs/current/functions-uuid.html
 */
function assignments(
  { overwrite }: PlannedTable,
  first: number,
): { values: string; parameters: (string | null)[] } {
  const parameters: (string | null)[] = [];
  const parameter = (text: string | null) => `$${first + parameters.push(text)}`;
  const values = overwrite.map(({ column, value }) => {
    const name = quoteIdent(column.name);
    if (value === null || value.length === 1) return `${name} = ${parameter(value?.[0] ?? null)}`;
    const text = value.map((part) => `${parameter(part)}::text`).join(' || gen_random_uuid() || ');
    return `${name} = (${text})::${column.type}`;
  });
  return { values: values.join(', '), parameters };
}
