import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import { openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import { silentObserver } from '../../../materializer/apply/observer.ts';
import { runView } from '../../support/run-view.ts';
import { customerCard } from '../customers.ts';

/** A process that keeps a view up to date until it is killed. Prints a line for each batch that is in the store. */
const [logPath, storePath, group] = process.argv.slice(2) as [string, string, string];
await runView({
  view: customerCard,
  log: await openEmbeddedLog({ path: logPath }),
  store: await openSqliteStore({ path: storePath }),
  group,
  signal: new AbortController().signal,
  observe: { ...silentObserver, applied: ({ next }) => void process.stdout.write(`${next}\n`) },
});
