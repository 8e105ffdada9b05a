import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, ConsumerRunConfig } from 'kafkajs';
import { isCoordinatorComing } from './kafka-errors.ts';

/** How long a member may be outside of its group while the coordinator comes up. */
const patienceMs = 30_000;
const pauseMs = 100;

export interface MembershipParts {
  readonly consumer: Consumer;
  readonly run: ConsumerRunConfig;
  /** Called when kafkajs left the group: nothing is held any longer. */
  left(): void;
  /** Called when there is no way back into the group, with kafkajs' error. */
  failed(error: unknown): void;
}

/**
 * Membership of a consumer group that outlasts the start of the group's coordinator. A broker that has just
 * created or taken over a partition of `__consumer_offsets` answers GROUP_LOAD_IN_PROGRESS until it has read it.
 * kafkajs gives up at once when a join is answered so, although the error is one to repeat:
 * ConsumerGroup#joinAndSync in https://github.com/tulios/kafkajs/blob/v2.2.4/src/consumer/consumerGroup.js
 */
export class Membership {
  readonly #parts: MembershipParts;
  readonly #ending = new AbortController();
  #again: Promise<void> = Promise.resolve();
  #outSince: number | null = null;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    parts.consumer.on('consumer.group_join', () => {
      this.#outSince = null;
    });
    parts.consumer.on('consumer.crash', ({ payload }) => this.#crashed(payload.error));
  }

  /** Resolves after the first attempt; later ones go on behind it, and `failed` tells when there are none. */
  async begin(): Promise<void> {
    await this.#parts.consumer.run(this.#parts.run);
  }

  /** Leaves the group and disconnects. A join under way is waited for: kafkajs cannot stop one. */
  async end(): Promise<void> {
    this.#ending.abort();
    await this.#again;
    await this.#parts.consumer.disconnect().catch(() => {});
  }

  #crashed(error: unknown): void {
    this.#parts.left();
    this.#outSince ??= Date.now();
    const waiting = Date.now() - this.#outSince < patienceMs && isCoordinatorComing(error);
    if (waiting && !this.#ending.signal.aborted) this.#again = this.#joinAgain();
    else this.#parts.failed(error);
  }

  async #joinAgain(): Promise<void> {
    try {
      await delay(pauseMs, undefined, { signal: this.#ending.signal });
      await this.#parts.consumer.run(this.#parts.run);
    } catch (error) {
      if (!this.#ending.signal.aborted) this.#parts.failed(error);
    }
  }
}
