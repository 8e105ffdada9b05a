import { chainProblems, keysDigest, lookedFor } from './certificate.ts';
import type { ErasureKey } from './erasure-key.ts';
import type { Erasure, ErasurePhase, Journal } from './journal.ts';
import type { KeptDifferences } from './kept-journal.ts';
import { type LookParts, lookEverywhere } from './look.ts';
import { type Place, remembered } from './place.ts';
import { keyPlaces } from './shredding-place.ts';
import { targetOf } from './target.ts';
import { undisturbed } from './undisturbed.ts';

export interface Verification {
  readonly erasure: string;
  readonly phase: ErasurePhase;
  /** True when rows with its keys are let in again: then they may be there. */
  readonly lifted: boolean;
  /** What is wrong with the chain of certificates and the journal; empty when nothing is. */
  readonly chain: readonly string[];
  /** What is wrong with what the journal says of this erasure; empty when nothing is. */
  readonly problems: readonly string[];
  /** How every place of Log and stores was found now. */
  readonly places: readonly Place[];
  readonly ok: boolean;
}

/**
 * Checks signatures and chain, and reads Log and stores again for the erased keys, whose hashes are kept. Values
 * are not known any more, so they are not searched for. Not ok when the chain is broken, when the keys are not those
 * of the certificate or there is none yet, or when a trace was found of what was not lifted.
 *
 * A chain whose last certificates were cut off is whole in itself. `head` is the hash of a certificate that somebody
 * kept: it must be in the chain.
 */
export async function verifyErasures(
  erasures: readonly Erasure[],
  parts: LookParts & {
    journal: Journal;
    key: ErasureKey;
    head?: string | undefined;
    kept: KeptDifferences;
  },
): Promise<Verification[]> {
  const state = parts.journal.state;
  const certificates = [...state.chain, ...state.breaks];
  const chain = [
    ...chainProblems(certificates, parts.key.publicKey, parts.head),
    ...parts.kept.altered,
    ...parts.kept.missing,
  ];
  const targets = erasures.map((erasure) => targetOf(erasure));
  const found = await undisturbed(parts.catalog, () => lookEverywhere(targets, parts));
  const keys = keyPlaces(erasures, parts.shred);
  return erasures.map((erasure) => {
    const { id, phase, lifted } = erasure;
    const problems = keyProblems(erasure);
    const read = remembered(found.get(id) ?? [], erasure.valuesSeen);
    const places = [...read, ...[keys.get(id)].filter((place) => place !== undefined)];
    return {
      erasure: id,
      phase,
      lifted,
      chain,
      problems,
      places,
      ok:
        phase === 'completed' &&
        chain.length + problems.length === 0 &&
        (lifted || !places.some((p) => p.state === 'applied')),
    };
  });
}

/** Places are asked for the keys of the journal: without these they would look empty. */
function keyProblems(erasure: Erasure): string[] {
  const signed = erasure.certificate?.body.keys;
  if (signed === undefined || signed === keysDigest(lookedFor(erasure))) return [];
  return ['the keys in the journal are not those that the certificate was signed for: it was altered'];
}
