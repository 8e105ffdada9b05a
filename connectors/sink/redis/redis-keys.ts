import { createHash } from 'node:crypto';
import type { GenerationId, Key, ViewShape } from '../../../core/view.ts';
import { formatLocalKey } from './redis-key-text.ts';

/** Names of everything that a store keeps in Redis. The braces keep a generation in one cluster slot. */
export class RedisKeys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The active generation of each view: hash of view to number. */
  get active(): string {
    return `${this.#prefix}insideout:active`;
  }

  /** The generations of a view: hash of number to shape. */
  generations(view: string): string {
    return `${this.#prefix}insideout:generations:${view}`;
  }

  /** The checkpoints of a generation: hash of `topic/partition` to `epoch next`. */
  checkpoints(view: string, id: GenerationId): string {
    return `${this.#prefix}${view}:{g${id}}!checkpoints`;
  }

  rowPrefix(view: string, id: GenerationId): string {
    return `${this.#prefix}${view}:{g${id}}:`;
  }

  row(view: ViewShape, id: GenerationId, key: Key): string {
    return this.rowPrefix(view.name, id) + formatLocalKey(key);
  }
}

/** The name under which Redis keeps a script. */
export const scriptHash = (script: string): string => createHash('sha1').update(script).digest('hex');
