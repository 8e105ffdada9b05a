import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  deletesSchema,
  erasureSchema,
  rebuildSchema,
  subjectSchema,
  viewSchema,
} from '../../daemon/config/schema.ts';
import { runInProcess } from '../cli/in-process.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const documents = [
  'README.md',
  ...readdirSync(new URL('../../docs', import.meta.url)).map((f) => `docs/${f}`),
]
  .filter((path) => path.endsWith('.md'))
  .map((path) => [path, read(path)] as const);

/** Commands of the first level, as the help lists them. */
async function helpOf(args: readonly string[]): Promise<string> {
  return (await runInProcess([...args, '--help'])).out;
}

test('every command that the documents name is there, with every option they give it', async () => {
  const help = new Map<string, string>();
  const commands = [...(await helpOf([])).matchAll(/^ {2}([a-z]+)[ \n]/gm)].map((m) => m[1]!);
  expect(commands).toContain('rebuild');
  for (const [path, text] of documents)
    for (const [line, command, rest] of text.matchAll(/(?<=`|^|npx )insideout ([a-z]+)([^`#\n]*)/gm)) {
      expect(commands, `${path}: ${line}`).toContain(command);
      if (!help.has(command!)) help.set(command!, await helpOf([command!]));
      const nested = /^ (run|drop|list|show|finish|verify|lift|suggest|check)\b/.exec(rest!)?.[1];
      const shown = nested ? await helpOf([command!, nested]) : help.get(command!)!;
      for (const [option] of rest!.matchAll(/--[a-z-]+/g))
        expect(shown, `${path}: ${line}`).toContain(option);
    }
});

describe('docs/configuration.md lists every setting, with its default,', () => {
  const section = (heading: string) =>
    read('docs/configuration.md')
      .split(/^## /m)
      .find((part) => part.startsWith(heading)) ?? '';
  const settings = (text: string) => [...text.matchAll(/^\| `(\w+)` \|/gm)].map((m) => m[1]!);

  test('of a view', () => {
    expect(settings(section('views')).sort()).toEqual(Object.keys(viewSchema.shape).sort());
  });

  test.each([
    ['subjects', subjectSchema],
    ['erasure', erasureSchema],
    ['deletes', deletesSchema],
  ])('of %s', (heading, schema) => {
    expect(settings(section(heading)).sort()).toEqual(Object.keys(schema.shape).sort());
  });

  test('of a rebuild', () => {
    const text = section('rebuild');
    expect(settings(text).sort()).toEqual(Object.keys(rebuildSchema.shape).sort());
    for (const [name, value] of Object.entries(rebuildSchema.parse({})))
      expect(text).toMatch(new RegExp(`^\\| \`${name}\` \\| ${value} \\|`, 'm'));
  });
});

test('docs/operations.md tells of every state and every standing', () => {
  const told = [...read('docs/operations.md').matchAll(/^\| `([a-z]+)` \|/gm)].map((m) => m[1]!);
  expect(told).toEqual(
    expect.arrayContaining(['building', 'active', 'grace', 'retiring', 'retired', 'abandoned']),
  );
  expect(told).toEqual(expect.arrayContaining(['unchanged', 'changed', 'new', 'removed', 'unknown']));
});
