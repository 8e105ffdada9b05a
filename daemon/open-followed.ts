import { loadErasureKey } from '../deletes/erasure-key.ts';
import { ErasureGuard } from '../deletes/guard.ts';
import { openJournal } from '../deletes/journal.ts';
import { keepJournal } from '../deletes/kept-journal.ts';
import type { KeyHasher } from '../deletes/key-hash.ts';
import { openCatalog } from '../materializer/generations/catalog.ts';
import type { CheckedConfig } from './config/check.ts';
import type { Followed } from './shared-catalog.ts';
import { openLog } from './wiring.ts';

/** All or nothing: what failed leaves no connection behind. */
export async function openFollowed(config: CheckedConfig): Promise<Followed> {
  const { namespace, erasure } = config;
  const log = await openLog(config);
  const [catalog, journal] = await Promise.allSettled([
    openCatalog(log, namespace),
    openJournal(log, namespace),
  ]);
  if (catalog.status === 'fulfilled' && journal.status === 'fulfilled') {
    await keepJournal({ log, journal: journal.value, namespace, key: erasure.key });
    let hasher: KeyHasher | null = null;
    const erased = new ErasureGuard(
      () => journal.value.state,
      () => {
        hasher ??= loadErasureKey(erasure.key, { create: false }).hasher;
        return hasher;
      },
    );
    return { log, catalog: catalog.value, journal: journal.value, erased };
  }
  for (const opened of [catalog, journal]) if (opened.status === 'fulfilled') await opened.value.close();
  await log.close();
  throw catalog.status === 'rejected' ? catalog.reason : (journal as PromiseRejectedResult).reason;
}
