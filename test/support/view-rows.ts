import type { ViewStore } from '../../connectors/sink/view-store.ts';
import type { ViewShape } from '../../core/view.ts';

/** Every row that readers of a view see, as JSON in the order of the texts; null while no generation is active. */
export async function viewRows(store: ViewStore, view: ViewShape): Promise<string[] | null> {
  const active = await store.active(view.name);
  if (active === null) return null;
  const rows: string[] = [];
  for await (const row of (await store.open(view, active)).scan()) rows.push(rowText(view, row));
  return rows.sort();
}

/** A row as the same JSON wherever it comes from: the view's columns in order, bigints as their digits. */
export function rowText(view: ViewShape, row: Readonly<Record<string, unknown>>): string {
  const values = Object.keys(view.columns).map((column) => row[column] ?? null);
  return JSON.stringify(values, (_name, value) => (typeof value === 'bigint' ? value.toString() : value));
}
