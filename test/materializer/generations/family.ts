import type { Row, Value } from '../../../core/value.ts';
import type { RowFunction, ViewDeclaration } from '../../../materializer/view-definition.ts';

/** Which of its two definitions each view of the family has: the row function's version. */
export interface Versions {
  readonly card: 0 | 1;
  readonly labels: 0 | 1;
  readonly tags: 0 | 1;
}

export const configs: readonly Versions[] = [
  { card: 0, labels: 0, tags: 0 },
  { card: 1, labels: 0, tags: 0 },
  { card: 1, labels: 1, tags: 1 },
];

export const viewNames = ['card', 'labels', 'tags', 'plain'] as const;
export type ViewName = (typeof viewNames)[number];

const text = (value: Value | undefined): string => String(value ?? '');

const cardRow = [
  (row: Row) => (row.name === 'hidden' ? null : { label: row.name!, visits: row.visits! }),
  (row: Row) =>
    row.name === 'gone' ? null : { label: `${text(row.name)}!`, visits: Number(row.visits) * 2 },
] as const;
const labelsRow = [
  (row: Row) =>
    Number(row.visits) % 3 === 0 ? null : { label: row.label!, even: Number(row.visits) % 2 === 0 },
  (row: Row) => ({ label: `<${text(row.label)}>`, even: Number(row.visits) > 4 }),
] as const;
const tagsRow = [
  (row: Row) => ({ tag: `${text(row.label)}/${row.even}` }),
  (row: Row) => (row.even === true ? { tag: text(row.label) } : null),
] as const;
const plainRow = (row: Row) => ({ name: row.name! });

/** Three views, each fed by the one before it, and one that has nothing to do with them. */
export function family(topic: string, store: string, versions: Versions): ViewDeclaration[] {
  const { card, labels, tags } = versions;
  return [
    {
      name: 'tags',
      from: { view: 'labels' },
      store,
      reads: { label: 'text', even: 'boolean' },
      columns: { tag_id: 'bigint', tag: 'text' },
      key: { tag_id: 'card_id' },
      row: tagsRow[tags] as RowFunction,
      version: tags,
    },
    {
      name: 'labels',
      from: { view: 'card' },
      store,
      reads: { label: 'text', visits: 'int' },
      columns: { card_id: 'bigint', label: 'text', even: 'boolean' },
      key: { card_id: 'customer_id' },
      row: labelsRow[labels] as RowFunction,
      version: labels,
    },
    {
      name: 'card',
      from: topic,
      store,
      reads: { id: 'bigint', name: 'text', visits: 'int' },
      columns: { customer_id: 'bigint', label: 'text', visits: 'int' },
      key: { customer_id: 'id' },
      row: cardRow[card] as RowFunction,
      version: card,
    },
    {
      name: 'plain',
      from: topic,
      store,
      reads: { id: 'bigint', name: 'text' },
      columns: { id: 'bigint', name: 'text' },
      key: ['id'],
      row: plainRow as RowFunction,
    },
  ];
}

export type SourceRow = { readonly name: string; readonly visits: number };

export type Change =
  | { readonly op: 'upsert'; readonly id: number; readonly row: SourceRow }
  | { readonly op: 'remove'; readonly id: number }
  /** The primary key is updated: the old key is deleted and the row comes under the new one. */
  | { readonly op: 'move'; readonly id: number; readonly to: number }
  | { readonly op: 'truncate' };

/** The source table after the changes. */
export function tableAfter(history: readonly Change[]): Map<number, SourceRow> {
  const table = new Map<number, SourceRow>();
  for (const change of history) {
    if (change.op === 'truncate') table.clear();
    else if (change.op === 'remove') table.delete(change.id);
    else if (change.op === 'upsert') table.set(change.id, change.row);
    else {
      const row = table.get(change.id);
      table.delete(change.id);
      if (row) table.set(change.to, row);
    }
  }
  return table;
}

/** A view computed from the whole of what feeds it, without any of the machinery. */
export function computed(view: ViewDeclaration, input: ReadonlyMap<number, Row>): Map<number, Row> {
  const rows = new Map<number, Row>();
  const [key] = Array.isArray(view.key) ? view.key : Object.keys(view.key);
  for (const [id, source] of input) {
    const made = view.row!(source);
    if (made !== null) rows.set(id, { ...made, [key as string]: BigInt(id) });
  }
  return rows;
}
