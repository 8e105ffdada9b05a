import { chainProblems } from './certificate.ts';
import type { ErasureKey } from './erasure-key.ts';
import type { Erasure, ErasurePhase, Journal } from './journal.ts';
import { type LookParts, lookEverywhere } from './look.ts';
import type { Place } from './place.ts';
import { keyPlaces } from './shredding-place.ts';

export interface Verification {
  readonly erasure: string;
  readonly phase: ErasurePhase;
  /** True when rows with its keys are let in again: then they may be there. */
  readonly lifted: boolean;
  /** What is wrong with the chain of certificates; empty when nothing is. */
  readonly chain: readonly string[];
  /** How every place of Log and stores was found now. */
  readonly places: readonly Place[];
  readonly ok: boolean;
}

/**
 * Checks signatures and chain, and reads Log and stores again for the erased keys, whose hashes are kept. Values
 * are not known any more, so they are not searched for. Not ok when the chain is broken, when there is no certificate
 * yet, or when a trace was found of what was not lifted.
 *
 * A chain whose last certificates were cut off is whole in itself. `head` is the hash of a certificate that somebody
 * kept: it must be in the chain.
 */
export async function verifyErasures(
  erasures: readonly Erasure[],
  parts: LookParts & { journal: Journal; key: ErasureKey; head?: string | undefined },
): Promise<Verification[]> {
  const chain = chainProblems(parts.journal.state.chain, parts.key.publicKey, parts.head);
  const targets = erasures.map((erasure) => ({
    erasure: erasure.id,
    keys: new Map(erasure.keys.map(({ topic, hashes }) => [topic, new Set(hashes)])),
    telling: [],
  }));
  const found = await lookEverywhere(targets, parts);
  const keys = keyPlaces(erasures, parts.shred);
  return erasures.map(({ id, phase, lifted }) => {
    const places = [...(found.get(id) ?? []), ...[keys.get(id)].filter((place) => place !== undefined)];
    return {
      erasure: id,
      phase,
      lifted,
      chain,
      places,
      ok:
        phase === 'completed' && chain.length === 0 && (lifted || !places.some((p) => p.state === 'applied')),
    };
  });
}
