import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';

test('a daemon answers its probes, logs JSON, and drains on SIGTERM with exit code 0', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-cli-'));
  writeFileSync(
    join(folder, 'insideout.config.yaml'),
    `
log: { kind: embedded, path: log.db }
stores: { local: { kind: sqlite, path: views.db } }
views:
  - { name: card, from: shop.public.customers, store: local, key: [id], columns: { id: bigint, name: text } }
`,
  );
  const daemon = startCli(['view', 'run', '--http-port', '0'], { cwd: folder, env: { LOG_LEVEL: 'info' } });
  onTestFinished(async () => {
    await daemon.end('SIGKILL');
    rmSync(folder, { recursive: true });
  });
  const url = await eventually('the probes are served', () => {
    if (daemon.child.exitCode !== null) throw new Error(`it ended: ${daemon.output()}`);
    return /"address":"([^"]+)"/.exec(daemon.output())?.[1];
  });
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect(await (await fetch(`${url}/metrics`)).text()).toContain('insideout_view_lag_records');
  expect(await daemon.end('SIGTERM')).toBe(0);
  for (const line of daemon.output().trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('level');
  expect(existsSync(join(folder, 'views.db'))).toBe(true);
});
