import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import { eventually } from '../../support/eventually.ts';
import { markedViews, markOf, nextOf, rowsPerView, swaps } from './swap-views.ts';

test(`two processes that select from SQLite see ${swaps} swaps of two views and never an error, an empty view or a mixture`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-swaps-'));
  const path = join(folder, 'views.db');
  const store = await openSqliteStore({ path });
  const views = await markedViews(store, ['card', 'order_card']);
  const readers = [readerOf(path), readerOf(path)];
  try {
    for (const reader of readers) await eventually('it reads', () => reader.lines.at(-1) === markOf(1));
    for (let swap = 0; swap < swaps; swap++) {
      const move = nextOf(swap);
      expect(await store.promote(views.map((view) => ({ view, ...move })))).toBe(true);
      for (const reader of readers)
        await eventually(`swap ${swap} is seen`, () => reader.lines.at(-1) === markOf(move.to), 5);
    }
  } finally {
    for (const reader of readers) await reader.stop();
    await store.close();
    rmSync(folder, { recursive: true });
  }
  for (const { lines } of readers) {
    const { reads, wrong } = JSON.parse(lines.at(-1) ?? '{}') as { reads: number; wrong: string[] };
    expect(wrong).toEqual([]);
    expect(reads).toBeGreaterThan(swaps);
    // Each swap was seen once: no read fell back to the generation before.
    expect(lines).toHaveLength(swaps + 2);
  }
}, 60_000);

function readerOf(path: string) {
  const script = fileURLToPath(new URL('./swap-reader-child.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, path, String(rowsPerView)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout });
  output.on('line', (line) => lines.push(line));
  const ended = once(output, 'close');
  return {
    lines,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
