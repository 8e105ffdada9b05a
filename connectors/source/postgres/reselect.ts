import type pg from 'pg';
import { quoteIdent } from './connection.ts';
import { isNull, isUnchanged, Tuple } from './pgoutput.ts';
import type { PreparedTable } from './tables.ts';

/**
 * Completes a row whose unchanged TOAST values were not sent, from the table as it is now. A newer value is
 * fine: its own change follows in the stream. Null when the row is gone; then its delete follows. A column that
 * was dropped since stays null.
 */
export async function reselect(client: pg.Client, table: PreparedTable, tuple: Tuple): Promise<Tuple | null> {
  const { columns, keyColumns } = table.encoder;
  const existing = await existingColumns(client, table);
  if (!existing || keyColumns.some((i) => !existing.has(columns[i]!.name))) return null;
  const wanted = columns.flatMap((c, i) => (tuple.starts[i] === isUnchanged ? [{ name: c.name, i }] : []));
  const found = wanted.filter(({ name }) => existing.has(name));
  const values = new Map<number, string | null>(wanted.map(({ i }) => [i, null]));
  const where = keyColumns.map((i, n) => `${quoteIdent(columns[i]!.name)} = $${n + 1}`).join(' and ');
  const { rows } = await client.query<(string | null)[]>({
    text: `select ${found.map(({ name }) => quoteIdent(name)).join(', ') || '1'} from ${quoteIdent(table.schema)}.${quoteIdent(table.table)} where ${where}`,
    values: keyColumns.map((i) => tuple.text(i)),
    rowMode: 'array',
  });
  const row = rows[0];
  if (!row) return null;
  found.forEach(({ i }, n) => {
    values.set(i, row[n] ?? null);
  });
  return filled(tuple, values);
}

async function existingColumns(client: pg.Client, table: PreparedTable): Promise<Set<string> | null> {
  const { rows } = await client.query<{ attname: string }>(
    `select attname from pg_attribute where attnum > 0 and not attisdropped and attrelid = to_regclass($1)`,
    [`${quoteIdent(table.schema)}.${quoteIdent(table.table)}`],
  );
  return rows.length === 0 ? null : new Set(rows.map((r) => r.attname));
}

function filled(tuple: Tuple, values: ReadonlyMap<number, string | null>): Tuple {
  const extra: Buffer[] = [];
  const row = new Tuple();
  let end = tuple.source.length;
  row.reset(tuple.source, tuple.count);
  for (let i = 0; i < tuple.count; i++) {
    row.starts[i] = tuple.starts[i]!;
    row.ends[i] = tuple.ends[i]!;
    const value = values.get(i);
    if (value === undefined) continue;
    if (value === null) {
      row.starts[i] = isNull;
      continue;
    }
    const bytes = Buffer.from(value);
    extra.push(bytes);
    row.starts[i] = end;
    end += bytes.length;
    row.ends[i] = end;
  }
  row.source = Buffer.concat([tuple.source, ...extra]);
  return row;
}
