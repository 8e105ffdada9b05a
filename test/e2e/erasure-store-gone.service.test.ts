import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import avro from 'avsc';
import Database from 'better-sqlite3';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { partitionOf } from '../../core/partition.ts';
import type { AvroSchema } from '../../log/avro/schema-registry.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { freePort } from '../../stack/processes.ts';
import { type RunningCli, runCli, startCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { servers, uniqueName } from '../support/servers.ts';
import type { Answer, Place } from './erasure-project.ts';

const topic = 'crm.contacts';
const slow = { timeout: 180_000 };
const local = { kind: 'sqlite', path: 'views.db' };

interface Project {
  readonly folder: string;
  /** Writes the config: the view, and a store of it, or what is left of them. */
  configure(of: { view?: boolean; stores: Record<string, object> }): void;
  start(...args: string[]): RunningCli;
  ask(...args: string[]): Promise<{ code: number | null; answer: Answer; output: string }>;
  /** The place of the view's generation in the certificate; null when none is listed. */
  certified(id: number): Promise<Place | null>;
}

/** Contacts 1 to 6 that another program writes, and a view of them that was built in the store. */
async function built(stores: Record<string, object>): Promise<Project> {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-store-gone-'));
  const running = new Set<RunningCli>();
  onTestFinished(async () => {
    await Promise.all([...running].map((cli) => cli.end('SIGKILL')));
    rmSync(folder, { recursive: true, force: true });
  });
  const contact = { name: 'contact', from: topic, key: ['id'], columns: { id: 'bigint' } };
  const project: Project = {
    folder,
    configure: (of) => {
      const views = of.view === false ? [] : [{ ...contact, store: Object.keys(of.stores)[0] }];
      writeFileSync(
        join(folder, 'insideout.config.yaml'),
        JSON.stringify({ log: { kind: 'embedded', path: 'log.db' }, stores: of.stores, views, http: false }),
      );
    },
    start: (...args) => {
      const cli = startCli(args, { cwd: folder });
      running.add(cli);
      return cli;
    },
    ask: async (...args) => {
      const { code, output } = await runCli(['--json', ...args], {
        cwd: folder,
        env: { LOG_LEVEL: 'silent' },
      });
      const last = output.trim().split('\n').at(-1) ?? '';
      return { code, output, answer: last.startsWith('{') || last.startsWith('[') ? JSON.parse(last) : null };
    },
    certified: async (id) => {
      const { code, answer, output } = await project.ask('delete', topic, String(id), '--wait');
      expect([code, answer?.[0]?.phase], output).toEqual([0, 'completed']);
      const places: Place[] = answer[0].certificate.body.places;
      return places.find((place) => place.kind === 'generation') ?? null;
    },
  };
  project.configure({ stores });
  const log = await openEmbeddedLog({ path: join(folder, 'log.db') });
  await log.ensureTopics([{ name: topic, partitions: 1, cleanup: 'compact' }]);
  for (let id = 1; id <= 6; id++) {
    const bytes = async (name: string) => {
      const schema = { type: 'record', name, fields: [{ name: 'id', type: 'long' }] } as AvroSchema;
      const header = Buffer.alloc(5);
      header.writeUInt32BE(await log.schemas.register(`crm.${name}`, schema), 1);
      return Buffer.concat([header, avro.Type.forSchema(schema as avro.Schema).toBuffer({ id })]);
    };
    const [key, value] = [await bytes('Key'), await bytes('Contact')];
    await log.append([{ topic, partition: partitionOf(key, 1), key, value, timestamp: Date.now() }]);
  }
  await log.close();
  const up = project.start('up');
  await eventually('the view is built', async () => {
    if (up.child.exitCode !== null) throw new Error(up.output());
    const { answer } = await project.ask('generations');
    return answer?.[0]?.state === 'active' && answer[0].lag === 0;
  });
  await up.end('SIGTERM');
  return project;
}

const mends = expect.stringContaining('insideout retire <view> --store-gone');
const tables = (path: string): unknown[] => {
  const db = new Database(path, { readonly: true });
  try {
    return db.prepare("select name from sqlite_master where name like 'contact%'").pluck().all();
  } finally {
    db.close();
  }
};

test(
  'a view that was taken out of the config is retired by force, though readers see it, and the erasure that waits for it goes on to its certificate',
  slow,
  async () => {
    const project = await built({ local });
    const refused = await project.ask('retire', 'contact', '--force');
    expect([refused.code, refused.answer.error.message]).toEqual([
      2,
      expect.stringContaining('The config has'),
    ]);
    project.configure({ view: false, stores: { local } });
    const eraser = project.start('delete', topic, '2', '--wait');
    await eventually('it waits', () => eraser.output().includes('insideout retire contact --force'));
    const gently = await project.ask('retire', 'contact');
    expect([gently.code, gently.answer]).toEqual([0, { retired: [] }]);
    const exactly = await project.ask('retire', 'contact', '1');
    expect([exactly.code, exactly.answer.error.hint]).toEqual([2, expect.stringContaining('--force')]);
    expect(tables(join(project.folder, 'views.db'))).toContain('contact');
    const forced = await project.ask('retire', 'contact', '--force');
    expect([forced.code, forced.answer]).toEqual([0, { retired: [{ view: 'contact', generation: 1 }] }]);
    expect(await eraser.exited).toBe(0);
    expect(tables(join(project.folder, 'views.db'))).toEqual([]);
    expect(await project.certified(3)).toBeNull();
    const { answer } = await project.ask('history', 'contact');
    expect(answer.map((e: Answer) => [e.type, e.forced ?? null])).toContainEqual(['retiring', true]);
  },
);

test(
  'a store whose file was deleted is not made anew and called verified; once it is said to be gone, certificates say so, and it is cleaned when it comes back',
  slow,
  async () => {
    const project = await built({ local });
    const file = join(project.folder, 'views.db');
    copyFileSync(file, `${file}.copy`);
    rmSync(file);
    const [stopped, checked] = [
      await project.ask('delete', topic, '2', '--wait'),
      await project.ask('retire', 'contact', '--store-gone'),
    ];
    expect([stopped.code, stopped.answer.error]).toMatchObject([
      1,
      { code: 'STORE_UNREACHABLE', hint: mends },
    ]);
    expect([checked.code, checked.answer.error.message]).toEqual([
      2,
      expect.stringContaining('The config has'),
    ]);
    expect((await project.ask('generations')).answer).toMatchObject([{ state: 'active', lag: null }]);
    expect(existsSync(file)).toBe(false);
    project.configure({ view: false, stores: { other: { kind: 'sqlite', path: 'other.db' } } });
    const without = await project.ask('erasure', 'finish');
    expect([without.code, without.answer.error]).toMatchObject([2, { code: 'USAGE', hint: mends }]);
    const began = Date.now();
    const given = await project.ask('retire', 'contact', '--store-gone');
    expect([given.code, given.answer]).toEqual([0, { abandoned: [{ view: 'contact', generation: 1 }] }]);
    const finished = await project.ask('erasure', 'finish');
    expect([finished.code, finished.answer[0].phase]).toEqual([0, 'completed']);
    const said = (place: Place | null | undefined) => {
      expect(place).toMatchObject({ kind: 'generation', name: 'local/contact g1', state: 'unverifiable' });
      const [, at] = /said at (\S+) that its store is gone for good\. Destroy any copy/.exec(place!.reason)!;
      expect(Date.parse(at!)).toBeGreaterThanOrEqual(began);
    };
    said(finished.answer[0].certificate.body.places.find((p: Place) => p.kind === 'generation'));
    said(await project.certified(3));
    expect((await project.ask('erasure', 'verify')).code).toBe(0);
    expect((await project.ask('generations')).answer).toMatchObject([{ state: 'abandoned' }]);

    copyFileSync(`${file}.copy`, file);
    project.configure({ view: false, stores: { local } });
    const orphan = { kind: 'generation', store: 'local', view: 'contact', generation: 1, topic: null };
    said(await project.certified(4));
    expect((await project.ask('generations', '--orphans')).answer).toEqual([orphan]);
    expect((await project.ask('retire', '--orphans')).answer).toEqual({ removed: [orphan] });
    expect(tables(file)).toEqual([]);
    expect((await project.ask('generations')).answer).toEqual([]);
    expect(await project.certified(5)).toBeNull();
  },
);

test(
  'a daemon removes what comes back with a store that was said to be gone, and builds the view without who was erased meanwhile',
  slow,
  async () => {
    const project = await built({ local });
    const file = join(project.folder, 'views.db');
    project.configure({ view: false, stores: { other: { kind: 'sqlite', path: 'other.db' } } });
    expect((await project.ask('retire', 'contact', '--store-gone')).code).toBe(0);
    expect(await project.certified(2)).toMatchObject({ state: 'unverifiable' });
    project.configure({ stores: { local } });
    const up = project.start('up');
    await eventually('it is built anew', async () => {
      const { answer } = await project.ask('generations');
      return answer.length === 1 && answer[0].state === 'active' && answer[0].lag === 0;
    });
    expect((await project.ask('generations')).answer).toMatchObject([{ generation: 2 }]);
    await up.end('SIGTERM');
    const db = new Database(file, { readonly: true });
    expect(db.prepare('select id from contact order by id').pluck().all()).toEqual([1, 3, 4, 5, 6]);
    db.close();
    expect(tables(file)).not.toContain('contact__g1');
  },
);

test(
  'of a Redis that does not answer any more the same is said; while it answers and has the view, it is not gone',
  slow,
  async () => {
    const prefix = `${uniqueName('gone')}:`;
    const there = { kind: 'redis', url: servers().redis, prefix };
    const project = await built({ cache: there });
    const redis = new Redis(servers().redis);
    onTestFinished(async () => {
      for (const key of await redis.keys(`${prefix}*`)) await redis.del(key);
      await redis.quit();
    });
    project.configure({ view: false, stores: { cache: there } });
    const refused = await project.ask('retire', 'contact', '--store-gone');
    expect([refused.code, refused.answer.error.message]).toEqual([2, expect.stringContaining('is not gone')]);
    const away = { ...there, url: `redis://127.0.0.1:${await freePort()}` };
    project.configure({ view: false, stores: { cache: away } });
    const given = await project.ask('retire', 'contact', '--store-gone');
    expect([given.code, given.answer]).toEqual([0, { abandoned: [{ view: 'contact', generation: 1 }] }]);
    expect(await project.certified(2)).toMatchObject({ name: 'cache/contact g1', state: 'unverifiable' });
    project.configure({ view: false, stores: { cache: there } });
    expect((await project.ask('retire', '--orphans')).answer.removed).toHaveLength(1);
    expect(await redis.keys(`${prefix}*`)).toEqual([]);
    expect(await project.certified(3)).toBeNull();
  },
);

test(
  'what is not in its store any more, though nobody retired it, is not passed over in silence',
  slow,
  async () => {
    const prefix = `${uniqueName('flushed')}:`;
    const project = await built({ cache: { kind: 'redis', url: servers().redis, prefix } });
    const redis = new Redis(servers().redis);
    for (const key of await redis.keys(`${prefix}*`)) await redis.del(key);
    await redis.quit();
    expect(await project.certified(2)).toMatchObject({ name: 'cache/contact g1', state: 'unverifiable' });
  },
);
