import type { CatalogTable } from './catalog.ts';
import type { PreparedTable } from './tables.ts';

/** So many that the registry is asked for these while the broker still creates their topics. */
const tablesAhead = 16;

/**
 * Prepares tables in their order, some of them ahead: registries take milliseconds for each, and with many small
 * tables a snapshot would wait for that most of the time. The function that is returned gives the table whose turn it
 * is, with its failure if it has one. A table that is altered meanwhile leaves a schema that no record has.
 */
export function prepareAhead(
  due: readonly CatalogTable[],
  prepare: (table: CatalogTable) => Promise<PreparedTable>,
): (turn: number) => Promise<PreparedTable> {
  const begun: Promise<PreparedTable>[] = [];
  return (turn) => {
    while (begun.length < due.length && begun.length <= turn + tablesAhead) {
      const preparing = prepare(due[begun.length]!);
      // It may fail before its turn comes, which nobody waits for yet.
      preparing.catch(() => {});
      begun.push(preparing);
    }
    return begun[turn]!;
  };
}
