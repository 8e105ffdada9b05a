import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import { logConformance } from '../../conformance/log.ts';
import { compactionConformance } from '../../conformance/log-compaction.ts';
import { fencesConformance } from '../../conformance/log-fences.ts';

const folder = mkdtempSync(join(tmpdir(), 'insideout-log-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const open = () => openEmbeddedLog({ path: join(folder, 'log.db') });
logConformance('The embedded Log', open, { patience: 5_000 });
fencesConformance('The embedded Log', open, { patience: 5_000 });
compactionConformance('The embedded Log', open, { patience: 5_000 });
