import type { ViewStore } from '../../connectors/sink/view-store.ts';
import { type Offset, type PartitionKey, parsePartitionKey, partitionKey } from '../../core/position.ts';
import type { Log } from '../../log/log.ts';
import type { GenerationEntry } from './catalog-state.ts';

/** Opens a store of the config by its name, once. */
export type StoreOf = (name: string) => Promise<ViewStore>;

export interface PartitionProgress {
  readonly partition: number;
  readonly next: Offset;
  readonly end: Offset;
}

/** How far a generation is; `exists` is false before a process has opened it, and once it is being dropped. */
export interface GenerationProgress {
  readonly exists: boolean;
  /** Empty while its input does not exist. */
  readonly partitions: readonly PartitionProgress[];
}

/** Checkpoints of a generation beside the ends of its input, read in this order: the lag is never too small. */
export async function progressOf(
  entry: GenerationEntry,
  log: Log,
  store: StoreOf,
): Promise<GenerationProgress> {
  const generation = await (await store(entry.store)).find(entry.shape, entry.generation);
  const checkpoint = generation ? await generation.checkpoint() : new Map<PartitionKey, Offset>();
  const ranges = await log.offsets([entry.input]);
  const partitions = [...ranges].map(([key, { end }]) => ({
    partition: parsePartitionKey(key).partition,
    next: checkpoint.get(key) ?? 0,
    end,
  }));
  return { exists: generation !== null, partitions: partitions.sort((a, b) => a.partition - b.partition) };
}

/** Records that are not applied yet; null when the input does not exist. */
export const lagOf = ({ partitions }: GenerationProgress): number | null =>
  partitions.length === 0 ? null : partitions.reduce((sum, p) => sum + Math.max(0, p.end - p.next), 0);

/** True when every partition is at or past its target. */
export function reached(
  entry: GenerationEntry,
  progress: GenerationProgress,
  targets: ReadonlyMap<PartitionKey, Offset>,
): boolean {
  const next = new Map(progress.partitions.map((p) => [partitionKey(entry.input, p.partition), p.next]));
  return [...targets].every(([key, offset]) => (next.get(key) ?? 0) >= offset);
}
