import type { ViewStore } from '../../connectors/sink/view-store.ts';
import { untilItWorks } from '../../materializer/apply/retry.ts';
import { type RunGenerationOptions, runGeneration } from '../../materializer/apply/run-generation.ts';

export type RunViewOptions = Omit<RunGenerationOptions, 'generation' | 'input' | 'group'> & {
  readonly store: ViewStore;
  readonly group?: string;
};

/** Runs the generation that readers see, or a first one, without a catalog: for tests of the apply loop alone. */
export async function runView(options: RunViewOptions): Promise<void> {
  const { view, store } = options;
  const open = async () => {
    const id = (await store.active(view.shape.name)) ?? 1;
    const generation = await store.open(view.shape, id);
    await store.promote([{ view: view.shape, from: null, to: id }]);
    return generation;
  };
  const generation = await untilItWorks(open, options).catch((error: unknown) => {
    if (!options.signal.aborted) throw error;
    return null;
  });
  if (!generation) return;
  const group = options.group ?? `insideout.${view.shape.name}.g${generation.id}`;
  await runGeneration({ ...options, generation, input: view.from as string, group });
}
