import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Imports go from right to left only. */
const layers = ['core', 'log', 'connectors', 'streams', 'materializer', 'deletes', 'daemon', 'cli'];
/** Folders of one technology each; nobody outside names what is in them, except the wiring. */
const concrete =
  /^(log\/(kafka|embedded)|connectors\/(source\/postgres|sink\/(sqlite|redis|cassandra|memory)))\//;

interface Import {
  readonly from: string;
  readonly to: string;
}

function importsOf(text: string, file: string): Import[] {
  const found = text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  return [...found].map((m) => ({ from: file, to: join(dirname(file), m[1]!).split(sep).join('/') }));
}

/** Some layers are still to come. */
const present = layers.filter((layer) => existsSync(join(root, layer)));

const imports = present.flatMap((layer) =>
  readdirSync(join(root, layer), { recursive: true, withFileTypes: true })
    .filter((f) => f.isFile() && f.name.endsWith('.ts'))
    .flatMap((f) => {
      const path = join(f.parentPath, f.name);
      return importsOf(readFileSync(path, 'utf8'), relative(root, path).split(sep).join('/'));
    }),
);

function wrongDirection({ from, to }: Import): boolean {
  const [mine, theirs] = [from, to].map((path) => layers.indexOf(path.split('/')[0]!));
  return theirs! > mine! || theirs === -1;
}

function namesConcrete({ from, to }: Import): boolean {
  const folder = concrete.exec(to)?.[0];
  return folder !== undefined && !from.startsWith(folder) && from !== 'daemon/wiring.ts';
}

const shown = (list: Import[]) => list.map(({ from, to }) => `${from} -> ${to}`);

describe('architecture', () => {
  test('imports are found at all', () => {
    expect(imports.length).toBeGreaterThan(100);
    expect(importsOf(`import type { A } from '../core/a.ts';\nawait import('./b.ts')`, 'log/x.ts')).toEqual([
      { from: 'log/x.ts', to: 'core/a.ts' },
      { from: 'log/x.ts', to: 'log/b.ts' },
    ]);
  });

  test('imports go only from cli towards core', () => {
    expect(wrongDirection({ from: 'core/a.ts', to: 'log/log.ts' })).toBe(true);
    expect(wrongDirection({ from: 'cli/a.ts', to: 'core/a.ts' })).toBe(false);
    expect(shown(imports.filter(wrongDirection))).toEqual([]);
  });

  test('only the wiring names a concrete connector', () => {
    expect(namesConcrete({ from: 'cli/a.ts', to: 'log/kafka/kafka-log.ts' })).toBe(true);
    expect(namesConcrete({ from: 'log/kafka/a.ts', to: 'log/kafka/b.ts' })).toBe(false);
    expect(shown(imports.filter(namesConcrete))).toEqual([]);
  });
});
