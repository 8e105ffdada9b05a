import type pg from 'pg';
import type { FollowRequest } from '../erasure.ts';
import { type ErasePlan, type PlannedTable, topicsOf } from './erase-plan.ts';
import {
  byKeys,
  type FoundRow,
  type FoundRows,
  keyOf,
  keyTexts,
  prepared,
  readFound,
  selectFound,
  topicOf,
} from './erase-rows.ts';

/** So many rows are in memory at once when a table is read from one end to the other. */
const page = 5_000;

/**
 * The noted rows that are there. Those of which the keys are known are found by them; only for those of which hashes
 * are known the tables are read. Inside a transaction.
 */
export async function findKept(
  client: pg.Client,
  plan: ErasePlan,
  { noted, others }: Pick<FollowRequest, 'noted' | 'others'>,
): Promise<FoundRows> {
  const found = new Map<string, Map<string, FoundRow>>();
  for (const table of plan.deletion) {
    if (table.policy.kind !== 'delete') continue;
    const kept = new Map<string, FoundRow>();
    found.set(table.name, kept);
    // Equal keys are not always written alike, and a row that is in another partition is another row.
    const known = new Set<string>();
    const keys: (readonly string[])[] = [];
    for (const of of noted)
      if (of.table === table.name)
        for (const key of of.keys) {
          known.add(JSON.stringify([of.topic, ...key]));
          keys.push(key);
        }
    for (const row of await findKeys(client, table, keys))
      if (known.has(JSON.stringify([topicOf(table, row), ...keyTexts(table, row)])))
        kept.set(keyOf(table, row), row);
    if (!others || !topicsOf(table).some((topic) => others.topics.has(topic))) continue;
    for await (const row of everyRow(client, table)) {
      const texts = keyTexts(table, row);
      const key = Object.fromEntries(table.key.map(({ name }, i) => [name, texts[i]!]));
      if (others.has(topicOf(table, row), key)) kept.set(keyOf(table, row), row);
    }
  }
  return found;
}

async function findKeys(
  client: pg.Client,
  table: PlannedTable,
  keys: readonly (readonly string[])[],
): Promise<FoundRow[]> {
  if (keys.length === 0) return [];
  const { from, where } = byKeys(table, 'found');
  const columns = table.key.map((_, i) => keys.map((key) => key[i]!));
  return readFound(client, prepared(`${selectFound(table)} join ${from} on ${where}`, columns));
}

async function* everyRow(client: pg.Client, table: PlannedTable): AsyncGenerator<FoundRow> {
  await client.query(`declare every_row no scroll cursor for ${selectFound(table)}`);
  for (;;) {
    const rows = await readFound(client, { text: `fetch ${page} from every_row` });
    yield* rows;
    if (rows.length < page) break;
  }
  await client.query('close every_row');
}
