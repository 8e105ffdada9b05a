import type { Offset } from '../../../core/position.ts';

/**
 * Cassandra keeps, cell by cell, what was written with the highest timestamp, whatever arrives last; at equal
 * timestamps a delete wins. With timestamps made from the source offset the newest record of a key wins in any
 * order of arrival, any number of times, without reading.
 *
 * An offset has two: `writeTime` for what the record leaves behind, and just below it `clearTime` for removing
 * what was there before. `clearTime(n)` is above `writeTime(n - 1)`, so nothing of an older record outlives it.
 */
export const writeTime = (offset: Offset): bigint => BigInt(offset) * 2n + 2n;
export const clearTime = (offset: Offset): bigint => BigInt(offset) * 2n + 1n;
