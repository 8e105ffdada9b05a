import type { Generation, ViewStore } from '../../../connectors/sink/view-store.ts';
import type { GenerationId, ViewShape } from '../../../core/view.ts';

export const rowsPerView = 200;
export const swaps = 100;

/** Two views, each with two generations whose rows carry their generation's mark; the first ones are promoted. */
export async function markedViews(store: ViewStore, names: readonly string[]): Promise<ViewShape[]> {
  const views = names.map(
    (name): ViewShape => ({ name, columns: { id: 'bigint', mark: 'text', pad: 'text' }, key: ['id'] }),
  );
  for (const view of views) for (const id of [1, 2]) await fill(await store.open(view, id), markOf(id));
  await store.promote(views.map((view) => ({ view, from: null, to: 1 })));
  return views;
}

export const markOf = (id: GenerationId): string => `generation ${id}`;

/** The generation that is promoted by swap number `swap`, from 0 on. */
export const nextOf = (swap: number): { from: GenerationId; to: GenerationId } =>
  swap % 2 === 0 ? { from: 1, to: 2 } : { from: 2, to: 1 };

async function fill(generation: Generation, mark: string): Promise<void> {
  const changes = Array.from({ length: rowsPerView }, (_, i) => {
    const row = { id: BigInt(i), mark, pad: 'x'.repeat(50) };
    return { op: 'upsert', offset: i, key: [row.id], row } as const;
  });
  const claim = await generation.claim('t', 0);
  await generation.apply(claim, { topic: 't', partition: 0, from: 0, next: rowsPerView, changes });
}
