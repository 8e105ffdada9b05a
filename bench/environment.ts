import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Everything that a benchmark leaves behind, which git ignores. */
export const benchFolder = join(fileURLToPath(new URL('..', import.meta.url)), '.bench');

/**
 * The servers of a benchmark are its own: beside those of development, on other ports, so that nothing else is
 * measured. Read by stack/versions.ts and stack/folders.ts, so this must be loaded before them.
 */
const own: Readonly<Record<string, string>> = {
  INSIDEOUT_STACK_DIR: join(benchFolder, 'stack'),
  INSIDEOUT_KAFKA_PORT: '27092',
  INSIDEOUT_REGISTRY_PORT: '27081',
  INSIDEOUT_REDIS_PORT: '27379',
  INSIDEOUT_CASSANDRA_PORT: '27042',
};
for (const [name, value] of Object.entries(own)) process.env[name] ??= value;
