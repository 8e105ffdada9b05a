import { existsSync, readFileSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { InsideoutError } from '../../core/errors.ts';
import { type CheckedConfig, checkConfig, type Unset } from './check.ts';

/** Names that are looked for, in this order; only the first is read. */
export const configNames = [
  'insideout.config.ts',
  'insideout.config.js',
  'insideout.config.mjs',
  'insideout.config.yaml',
  'insideout.config.yml',
];

/** Finds, loads and checks the config. `file` wins over the names looked for in `folder`. Errors: `CONFIG_INVALID`. */
export async function loadConfig(options: {
  file?: string | undefined;
  folder: string;
}): Promise<CheckedConfig & { readonly file: string }> {
  const file = options.file
    ? resolve(options.folder, options.file)
    : configNames.map((n) => resolve(options.folder, n)).find(existsSync);
  if (!file)
    throw unusable(
      `There is no insideout.config.ts (.js, .yaml) in ${options.folder}.`,
      'Run `insideout init` to write one, or give --config.',
    );
  if (!existsSync(file))
    throw unusable(
      `There is no file ${file}.`,
      'Correct --config, or run `insideout init` to write a config.',
    );
  const unset: Unset[] = [];
  const raw = await (/\.ya?ml$/.test(extname(file)) ? loadYaml(file, unset) : loadModule(file, unset));
  return { ...checkConfig(raw, file, unset), file };
}

/** Adds the settings that are empty while variables that the code reads are not set to `unset`. */
async function loadModule(file: string, unset: Unset[]): Promise<unknown> {
  const { createJiti } = await import('jiti');
  // `import 'insideout'` means the very package that runs, whether it is installed or a clone. Most of it is loaded
  // already, and jiti would load it another time, in its own way, which takes most of a second.
  const index = ['../../index.ts', '../../index.js']
    .map((p) => new URL(p, import.meta.url))
    .find((url) => existsSync(url));
  const virtualModules = index ? { insideout: await import(index.href) } : {};
  const jiti = createJiti(dirname(file), { virtualModules, moduleCache: false });
  try {
    const config = await jiti.import(file, { default: true });
    const variables = readButNotSet(readFileSync(file, 'utf8'));
    if (variables.length > 0) unset.push(...emptySettings(config, [], variables));
    return config;
  } catch (error) {
    throw unusable(
      `${file} cannot be loaded: ${error instanceof Error ? reasonOf(error, file) : String(error)}`,
      'Correct the file; it must export a config by default.',
      error,
    );
  }
}

/** Of code that does not parse, jiti tells in a second line where. */
function reasonOf({ message }: Error, file: string): string {
  const [what = '', place = ''] = message.split('\n').map((line) => line.trim());
  const [line, column] = place.startsWith(`${file}:`) ? place.slice(file.length + 1).split(':') : [];
  return line === undefined ? what : `${what} in line ${line}, column ${column}`;
}

const readButNotSet = (code: string): string[] => {
  const read = [...code.matchAll(/process\.env(?:\.|\[['"])(\w+)/g)].map(([, name]) => name!);
  return [...new Set(read)].filter((name) => !process.env[name]);
};

function emptySettings(value: unknown, path: readonly PropertyKey[], variables: readonly string[]): Unset[] {
  if (path.length > 0 && (value === undefined || value === '')) return [{ path, variables, empty: true }];
  if (typeof value !== 'object' || value === null) return [];
  const settings = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return settings.flatMap(([key, inner]) => emptySettings(inner, [...path, key], variables));
}

/** Adds the settings whose environment variables are not set to `unset`. */
async function loadYaml(file: string, unset: Unset[]): Promise<unknown> {
  const { parse } = await import('yaml');
  try {
    return substitute(parse(readFileSync(file, 'utf8')), [], unset);
  } catch (error) {
    throw unusable(
      `${file} is not YAML: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`,
      'Correct the file.',
      error,
    );
  }
}

/** `${NAME}` in a text becomes the environment variable, so that secrets stay out of the file. */
function substitute(value: unknown, path: readonly PropertyKey[], unset: Unset[]): unknown {
  if (typeof value === 'string') {
    const variables = new Set<string>();
    const empty = new Set<string>();
    const text = value.replace(/\$\{(\w+)\}/g, (_match, name: string) => {
      const found = process.env[name];
      if (found === undefined) variables.add(name);
      else if (found === '') empty.add(name);
      return found ?? '';
    });
    if (variables.size > 0) unset.push({ path, variables: [...variables] });
    else if (text === '' && empty.size > 0) unset.push({ path, variables: [...empty], empty: true });
    return text;
  }
  if (Array.isArray(value)) return value.map((v, i) => substitute(v, [...path, i], unset));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, substitute(v, [...path, k], unset)]));
}

function unusable(message: string, hint: string, cause?: unknown): InsideoutError {
  return new InsideoutError('CONFIG_INVALID', message, { hint, cause });
}
