import type { Checkpoint } from '../core/position.ts';
import type { Log } from './log.ts';

/** Where each partition of the topics ends now: a checkpoint at or past it has everything that was there. */
export async function endsOf(log: Pick<Log, 'offsets'>, topics: readonly string[]): Promise<Checkpoint> {
  return new Map([...(await log.offsets(topics))].map(([key, { end }]) => [key, end]));
}
