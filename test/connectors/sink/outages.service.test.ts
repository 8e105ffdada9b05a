import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'cassandra-driver';
import { Redis } from 'ioredis';
import { openCassandraStore } from '../../../connectors/sink/cassandra/cassandra-store.ts';
import { openRedisStore } from '../../../connectors/sink/redis/redis-store.ts';
import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';
import { startRedis } from '../../../stack/redis.ts';
import { type Outage, rowsBefore, viewStoreOutageConformance } from '../../conformance/view-store-outage.ts';
import { eventually } from '../../support/eventually.ts';
import { servers, uniqueName } from '../../support/servers.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';

/** Two chunks or more were applied. */
const underWay = 4_000;

for (const rows of ['string', 'hash'] as const)
  viewStoreOutageConformance(
    `Redis, whose rows are a ${rows} and whose server is killed and started again,`,
    async () => {
      const server = await startRedis();
      let killed = Promise.resolve();
      const killOnceUnderWay = async (name: string) => {
        const watcher = new Redis(server.url);
        watcher.on('error', () => {});
        await eventually('the batch is under way', async () => {
          return Number(await watcher.hget(`insideout:checkpoint:${name}:{g1}`, 't/0')) >= underWay;
        });
        watcher.disconnect();
        await server.kill();
      };
      return {
        store: await openRedisStore({ url: server.url, rows }),
        rows: 60_000,
        atLeast: underWay,
        code: 'STORE_UNREACHABLE',
        atomic: true,
        away: async (name) => {
          killed = killOnceUnderWay(name);
        },
        back: async () => {
          await killed;
          await server.restart();
        },
        end: () => server.stop(),
      };
    },
  );

viewStoreOutageConformance('Cassandra, whose connections break,', async () => {
  const { contactPoint, dataCenter } = servers().cassandra;
  const keyspace = uniqueName('outage');
  const proxy = await tcpProxy(contactPoint);
  return {
    store: await openCassandraStore({ contactPoints: [proxy.address], dataCenter, keyspace }),
    rows: 3_000,
    atLeast: rowsBefore,
    code: 'STORE_UNREACHABLE',
    atomic: false,
    away: async () => proxy.after(100_000, () => void proxy.cut()),
    back: () => proxy.restore(),
    end: async () => {
      await proxy.close();
      const client = new Client({ contactPoints: [contactPoint], localDataCenter: dataCenter });
      await client.execute(`DROP KEYSPACE IF EXISTS ${keyspace}`);
      await client.shutdown();
    },
  };
});

/** A file of its own, and how it is taken away. */
async function sqlite(
  code: Outage['code'],
  taking: (path: string) => Pick<Outage, 'away' | 'back'>,
): Promise<Outage> {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-outage-'));
  const path = join(folder, 'views.db');
  return {
    store: await openSqliteStore({ path }),
    rows: 20_000,
    atLeast: rowsBefore,
    code,
    atomic: true,
    ...taking(path),
    end: async () => rmSync(folder, { recursive: true }),
  };
}

const lockScript = `
  const db = new (require('better-sqlite3'))(process.argv[1]);
  db.exec('begin immediate');
  console.log('locked');
  process.stdin.on('end', () => process.exit()).resume();
`;

viewStoreOutageConformance('SQLite, whose file another process has locked for longer than it waits,', () =>
  sqlite('STORE_UNREACHABLE', (path) => {
    let unlock = async () => {};
    return {
      away: async () => {
        const child = spawn(process.execPath, ['-e', lockScript, path], {
          stdio: ['pipe', 'pipe', 'inherit'],
        });
        const exited = once(child, 'exit');
        unlock = async () => {
          child.stdin.end();
          await exited;
        };
        await once(child.stdout, 'data');
      },
      back: () => unlock(),
    };
  }),
);

/** Files of this process can grow to so many bytes; there is such a limit on Linux alone. */
async function limitFiles(bytes: number | 'unlimited'): Promise<void> {
  const child = spawn('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`], {
    stdio: 'inherit',
  });
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new Error(`prlimit exited with ${status}`);
}

if (process.platform === 'linux')
  viewStoreOutageConformance('SQLite, whose disk takes no more,', () =>
    sqlite('STORE_REFUSED', (path) => ({
      away: () => limitFiles(statSync(`${path}-wal`).size + 100_000),
      back: () => limitFiles('unlimited'),
    })),
  );
