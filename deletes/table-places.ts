import type { SubjectRows, SubjectTables } from '../connectors/source/erasure.ts';
import { counted } from '../core/counted.ts';
import type { Erasure } from './journal.ts';
import { statement } from './look.ts';
import type { Place } from './place.ts';

/** What a table has of a subject after it was erased. */
export interface RowsLeft {
  /** Rows that were to be deleted. */
  readonly there: number;
  /** Rows that stay, and of which it shows in every column that they are overwritten. */
  readonly overwritten: number;
  /** Rows that stay, and of which it does not. */
  readonly stay: number;
}

/** What the rows that were found tell of each table of the subject. */
export function rowsLeft(subject: SubjectTables, rows: readonly SubjectRows[]): Record<string, RowsLeft> {
  const left: Record<string, RowsLeft> = {};
  for (const { table } of subject.tables) left[table] = nothing;
  for (const { table, policy, keys, overwritten: before } of rows) {
    const known = left[table] ?? nothing;
    const done = before?.filter((texts) => texts?.length === 0).length ?? 0;
    left[table] =
      policy === 'delete'
        ? { ...known, there: known.there + keys.length }
        : { ...known, overwritten: known.overwritten + done, stay: known.stay + keys.length - done };
  }
  return left;
}

/** The database asked again for the subject's rows, and what its own files keep. */
export function tablePlaces(
  { rows }: Erasure,
  source: string,
  left: Readonly<Record<string, RowsLeft>> | null,
): Place[] {
  const places = Object.keys({ ...rows, ...left }).map((table) =>
    statement('table', `${source} ${table}`, found(left && (left[table] ?? nothing))),
  );
  return [
    ...places,
    statement('database files', source, {
      state: 'unverifiable',
      reason:
        'Postgres keeps dead rows until VACUUM, and WAL, replicas and backups hold them as long as they are kept.',
    }),
  ];
}

const nothing: RowsLeft = { there: 0, overwritten: 0, stay: 0 };

function found(left: RowsLeft | null): Pick<Place, 'state' | 'reason'> {
  if (!left)
    return {
      state: 'unverifiable',
      reason: 'The id is not known any more: erase the same subject again to have the database asked.',
    };
  if (left.there > 0)
    return { state: 'applied', reason: `Asked for the subject: ${counted(left.there, 'row')} again.` };
  if (left.stay > 0)
    return {
      state: 'unverifiable',
      reason: `Asked for the subject: ${counted(left.stay, 'row')}, kept as the config says and not shown to be overwritten: look at what is there.`,
    };
  if (left.overwritten > 0)
    return {
      state: 'verified',
      reason: `Asked for the subject: ${counted(left.overwritten, 'row')}, overwritten.`,
    };
  return { state: 'verified', reason: 'Asked for the subject: no row.' };
}
