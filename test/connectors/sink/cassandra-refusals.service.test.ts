import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { servers, uniqueName } from '../../support/servers.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';

const { contactPoint } = servers().cassandra;

/** A folder whose only store names a data center that does not exist. YAML is a superset of JSON. */
function project(contactPoints: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-cassandra-'));
  const config = {
    log: { kind: 'embedded', path: 'log.db' },
    stores: {
      remote: { kind: 'cassandra', contactPoints, dataCenter: 'nowhere', keyspace: uniqueName('k') },
    },
    views: [{ name: 't', from: 'shop.public.t', store: 'remote', key: ['id'], columns: { id: 'bigint' } }],
    http: false,
  };
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
  return folder;
}

test.each([
  ['doctor', 3],
  ['get t 1', 3],
  ['view run', 3],
  ['status', 1],
])('with a wrong data center `%s` says so, and ends with %i', async (command, code) => {
  // Each contact point that is tried is a connection of its own.
  const second = await tcpProxy(contactPoint);
  try {
    const ended = await runCli(command.split(' '), { cwd: project([contactPoint, second.address]) });
    expect(ended.output).toContain('no node of Cassandra');
    expect(ended.code).toBe(code);
  } finally {
    await second.close();
  }
});
