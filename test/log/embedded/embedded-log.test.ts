import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import { logConformance } from '../../conformance/log.ts';

const folder = mkdtempSync(join(tmpdir(), 'insideout-log-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

logConformance('The embedded Log', () => openEmbeddedLog({ path: join(folder, 'log.db') }), {
  patience: 5_000,
});
