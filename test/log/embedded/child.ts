import { openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';

/** A process to be killed: `append` writes numbered records for ever, `hold` is a group member that waits. */
const [mode, path, topic] = process.argv.slice(2) as [string, string, string];
const log = await openEmbeddedLog({ path });

if (mode === 'append') {
  for (let i = 0; ; i++) {
    const value = Buffer.from(String(i));
    await log.append([{ topic, partition: 0, key: value, value, timestamp: i }]);
    process.stdout.write(`${i}\n`);
  }
}

const batches = log.consume({
  group: 'pair',
  topics: [topic],
  from: async (_, partition) => {
    process.stdout.write(`${partition}\n`);
    return 0;
  },
  signal: new AbortController().signal,
});
for await (const _ of batches);
