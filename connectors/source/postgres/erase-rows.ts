import { createHash } from 'node:crypto';
import type pg from 'pg';
import { InsideoutError } from '../../../core/errors.ts';
import type { FoundSubject, OverwrittenText, OwnerColumn, SubjectRows } from '../erasure.ts';
import { type RandomText, randomPattern } from '../replacement.ts';
import { quoteIdent } from './connection.ts';
import type { EraseColumn } from './erase-catalog.ts';
import { type ErasePlan, type PlannedPlace, type PlannedTable, topicsOf } from './erase-plan.ts';
import { sqlState } from './pg-errors.ts';

/** A row that was found: the oid of the table that holds it, and its columns in the order of `read`. */
export interface FoundRow {
  readonly holder: string;
  readonly values: readonly (string | null)[];
}

/** Found rows of each table by their keys. */
export type FoundRows = ReadonlyMap<string, ReadonlyMap<string, FoundRow>>;

/** Thrown inside a transaction when the catalog is no longer the one that the plan was made from. */
export class PlanOutdated extends Error {}

/** A statement that is prepared once per connection. */
export const prepared = (text: string, values: unknown[]) => ({
  name: createHash('md5').update(text).digest('hex'),
  text,
  values,
});

/**
 * The id as Postgres writes it. Errors: `USAGE` when it is not of the column's type. SQLSTATE class 22 is data
 * that cannot be read, 23514 a domain's check.
 */
export async function readId(client: pg.Client, plan: ErasePlan, id: string): Promise<string> {
  try {
    const { rows } = await client.query<{ id: string }>(prepared(`select $1::${plan.idType} as id`, [id]));
    return rows[0]!.id;
  } catch (error) {
    const code = sqlState(error);
    if (!code?.startsWith('22') && code !== '23514') throw error;
    throw new InsideoutError('USAGE', `The id is not of the type ${plan.idType}.`, {
      hint: "Give the id as it stands in the column of the subject's own table.",
    });
  }
}

/**
 * Finds the rows of a subject, those first that others refer to. With `lock` each is locked as soon as it is
 * found: who inserts a row that refers to it by a foreign key waits, and who did so before is waited for, so
 * that the next statement sees that row. https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS
 */
export async function findRows(
  client: pg.Client,
  plan: ErasePlan,
  { id, lock }: { id: string; lock: boolean },
): Promise<FoundRows> {
  const found = new Map<string, Map<string, FoundRow>>();
  let more = true;
  while (more) {
    more = false;
    for (const place of plan.places) {
      const rows = found.get(place.table.name) ?? new Map<string, FoundRow>();
      found.set(place.table.name, rows);
      const before = rows.size;
      for (const row of await findPlace(client, place, { id, lock, found }))
        rows.set(keyOf(place.table, row), row);
      more ||= plan.again && rows.size > before;
    }
  }
  return found;
}

async function findPlace(
  client: pg.Client,
  { table, column, type, through }: PlannedPlace,
  { id, lock, found }: { id: string; lock: boolean; found: FoundRows },
): Promise<FoundRow[]> {
  const wanted = through ? valuesOf(found, through) : id;
  if (wanted.length === 0 && through) return [];
  const where = `found.${quoteIdent(column)} = ${through ? `any($1::${type}[])` : `$1::${type}`}`;
  const text = `${selectFound(table)} where ${where}${lock ? ' for update' : ''}`;
  return readFound(client, prepared(text, [wanted]));
}

/** All rows of a table as `found`, to be read by `readFound`. */
export function selectFound(table: PlannedTable): string {
  const holder = table.partitioned ? 'found.tableoid' : `''`;
  const columns = [holder, ...table.read.map((c) => `found.${quoteIdent(c.name)}`)];
  return `select ${columns.join(', ')} from ${table.sql} found`;
}

export async function readFound(
  client: pg.Client,
  query: { readonly text: string; readonly values?: unknown[] },
): Promise<FoundRow[]> {
  const { rows } = await client.query<(string | null)[]>({ ...query, rowMode: 'array' });
  return rows.map(([oid, ...values]) => ({ holder: oid ?? '', values }));
}

/**
 * Picks the rows of these keys: joins `rows`, the table's name in the statement, to arrays that are the first
 * parameters, one for each column of the key.
 */
export function byKeys(table: PlannedTable, rows: string): { from: string; where: string } {
  const arrays = table.key.map((c, i) => `$${i + 1}::${c.type}[]`).join(', ');
  return {
    from: `unnest(${arrays}) as keys(${table.key.map((_, i) => `k${i}`).join(', ')})`,
    where: table.key.map((c, i) => `${rows}.${quoteIdent(c.name)} = keys.k${i}`).join(' and '),
  };
}

function valuesOf(found: FoundRows, { table, index }: { table: PlannedTable; index: number }): string[] {
  const values = [...(found.get(table.name)?.values() ?? [])].map((row) => row.values[index] ?? null);
  return [...new Set(values.filter((value) => value !== null))];
}

/**
 * What was found, by topic. Errors: `PlanOutdated` when a partition is newer than the plan.
 */
export function tellFound(
  plan: ErasePlan,
  found: FoundRows,
  id: string,
): Pick<FoundSubject, 'rows' | 'telling' | 'owners'> {
  const telling = new Set<string>();
  const rows: SubjectRows[] = [];
  for (const [name, ofTable] of found) {
    const table = plan.deletion.find((t) => t.name === name)!;
    const byTopic = new Map<string, FoundRow[]>();
    for (const row of ofTable.values()) {
      const ofTopic = byTopic.get(topicOf(table, row)) ?? [];
      ofTopic.push(row);
      byTopic.set(topicOf(table, row), ofTopic);
      for (const [i, column] of table.read.entries()) {
        const value = row.values[i] ?? null;
        if (value !== null && value.length >= 4 && tellsAnew(table, column.name, value)) telling.add(value);
      }
    }
    const keyColumns = table.key.map((c) => c.name);
    for (const [topic, ofTopic] of byTopic)
      rows.push({
        table: name,
        topic,
        policy: table.policy.kind,
        keyColumns,
        keys: ofTopic.map((row) => keyTexts(table, row)),
        ...(table.overwrite.length > 0
          ? { overwritten: ofTopic.map((row) => overwrittenTexts(table, row)) }
          : {}),
      });
  }
  // What is only overwritten keeps the values that it is found by.
  for (const { table, through } of plan.places)
    if (table.policy.kind === 'anonymise')
      for (const value of through ? valuesOf(found, through) : [id]) telling.delete(value);
  return { rows, telling: [...telling], owners: plan.places.flatMap((place) => ownersOf(place, found, id)) };
}

function ownersOf(
  { table, column, exact, through }: PlannedPlace,
  found: FoundRows,
  id: string,
): OwnerColumn[] {
  // A table of which nothing is overwritten keeps what it has: it is only there for what refers to it.
  if (keepsAll(table)) return [];
  return topicsOf(table).map((topic) => ({
    table: table.name,
    topic,
    column,
    through: through && {
      topics: topicsOf(through.table),
      column: through.table.read[through.index]!.name,
    },
    values: exact ? (through ? valuesOf(found, through) : [id]) : null,
    stays: table.policy.kind === 'anonymise',
  }));
}

const keepsAll = ({ policy, overwrite }: PlannedTable): boolean =>
  policy.kind === 'anonymise' && overwrite.length === 0;

/** Types whose values are in records and views as Postgres writes them. */
const searchable = new Set(['text', 'varchar', 'bpchar', 'name', 'citext', 'uuid', 'int2', 'int4', 'int8']);

function overwrittenTexts({ overwrite, read }: PlannedTable, row: FoundRow): OverwrittenText[] | null {
  const texts: OverwrittenText[] = [];
  for (const { column, value } of overwrite) {
    const text = row.values[read.indexOf(column)] ?? null;
    if (text === null || isReplaced(text, value)) continue;
    if (!searchable.has(column.base)) return null;
    texts.push({ column: column.name, text });
  }
  return texts;
}

/** An earlier erasure has put it there. A random text alone does not tell: the row's own may have been a UUID as well. */
function isReplaced(text: string, value: RandomText | null): boolean {
  if (value === null) return false;
  if (value.length === 1) return value[0] === text;
  return value.some((part) => part !== '') && randomPattern(value).test(text);
}

/** False where an earlier erasure has put it there. */
function tellsAnew({ telling, overwrite }: PlannedTable, column: string, value: string): boolean {
  if (!telling.includes(column)) return false;
  return !isReplaced(value, overwrite.find((o) => o.column.name === column)?.value ?? null);
}

/** Errors: `PlanOutdated` when a partition is newer than the plan. */
export function topicOf(table: PlannedTable, row: FoundRow): string {
  if (!table.partitioned) return table.topic;
  const topic = table.topics.get(row.holder);
  if (topic === undefined) throw new PlanOutdated();
  return topic;
}

/** As in the key of the row's topic, which is read back as `core/value.ts` has it. */
export const keyTexts = (table: PlannedTable, row: FoundRow): string[] =>
  table.key.map((column, i) => keyText(column, row.values[i] ?? ''));

function keyText(column: EraseColumn, value: string): string {
  if (column.base === 'bool') return value === 't' ? 'true' : 'false';
  return column.base === 'float4' || column.base === 'float8' ? String(Number(value)) : value;
}

export const keyOf = (table: PlannedTable, row: FoundRow): string =>
  JSON.stringify(row.values.slice(0, table.key.length));
