export interface KeptRatio {
  readonly ceiling: string;
  /** Ours to the slowest ceiling of the chain. */
  readonly ratio: number;
  readonly peakRssMb: number;
}

/** What noise alone does on two busy cores. */
const tolerance = { ratio: 0.8, memory: 1.25 };

/** A sentence for each case that became slower or larger than noise explains. */
export function regressions(
  kept: Readonly<Record<string, KeptRatio>>,
  now: Readonly<Record<string, KeptRatio>>,
): string[] {
  const found: string[] = [];
  for (const [name, before] of Object.entries(kept)) {
    const after = now[name];
    if (!after) continue;
    if (after.ceiling !== before.ceiling)
      found.push(
        `${name}: its slowest part was ${before.ceiling} and is ${after.ceiling}: keep the ratios anew`,
      );
    else if (after.ratio < before.ratio * tolerance.ratio)
      found.push(
        `${name}: ${after.ratio.toFixed(2)} of ${after.ceiling}, and was ${before.ratio.toFixed(2)}`,
      );
    if (after.peakRssMb > before.peakRssMb * tolerance.memory)
      found.push(`${name}: ${after.peakRssMb} MB, and was ${before.peakRssMb} MB`);
  }
  return found;
}
