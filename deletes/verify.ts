import { chainProblems } from './certificate.ts';
import type { ErasureKey } from './erasure-key.ts';
import type { Erasure, Journal } from './journal.ts';
import { type LookParts, lookEverywhere } from './look.ts';
import type { Place } from './place.ts';

export interface Verification {
  readonly erasure: string;
  /** What is wrong with the chain of certificates; empty when nothing is. */
  readonly chain: readonly string[];
  /** How every place of Log and stores was found now. */
  readonly places: readonly Place[];
  readonly ok: boolean;
}

/**
 * Checks signatures and chain, and reads Log and stores again for the erased keys, whose hashes are kept. Values
 * are not known any more, so they are not searched for. Not ok when the chain is broken or a trace was found.
 */
export async function verifyErasures(
  erasures: readonly Erasure[],
  parts: LookParts & { journal: Journal; key: ErasureKey },
): Promise<Verification[]> {
  const chain = chainProblems(parts.journal.state.chain, parts.key.publicKey);
  const targets = erasures.map((erasure) => ({
    erasure: erasure.id,
    keys: new Map(erasure.keys.map(({ topic, hashes }) => [topic, new Set(hashes)])),
    telling: [],
  }));
  const found = await lookEverywhere(targets, parts);
  return erasures.map(({ id }) => {
    const places = found.get(id) ?? [];
    return {
      erasure: id,
      chain,
      places,
      ok: chain.length === 0 && !places.some((p) => p.state === 'applied'),
    };
  });
}
