import { build } from '../ours/build.ts';
import { startServers } from '../servers.ts';
import type { Case, CaseOptions, CaseRun } from './case.ts';

/** Runs a case as often as is asked, on servers of its own. */
export async function runCase(
  one: Case,
  options: Omit<CaseOptions, 'run' | 'servers'> & { runs: number; build: boolean },
): Promise<CaseRun[]> {
  const { runs, say } = options;
  if (options.build) {
    say('building');
    await build();
  }
  say(`starting ${one.servers.join(', ')}`);
  const servers = await startServers(one.servers);
  const interrupted = () => {
    // What is still being measured loses its servers, which is nobody's fault.
    process.on('uncaughtException', () => {});
    void servers.stop().finally(() => process.exit(1));
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const done: CaseRun[] = [];
  try {
    for (let run = 0; run < runs; run++) {
      if (runs > 1) say(`run ${run + 1} of ${runs}`);
      done.push(await one.run({ ...options, run, servers }));
    }
  } finally {
    await one.close?.();
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    await servers.stop();
  }
  return done;
}
