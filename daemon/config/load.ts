import { existsSync, readFileSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createJiti } from 'jiti';
import { parse } from 'yaml';
import { InsideoutError } from '../../core/errors.ts';
import { type CheckedConfig, checkConfig } from './check.ts';

const names = [
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
    : names.map((n) => resolve(options.folder, n)).find(existsSync);
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
  const raw = /\.ya?ml$/.test(extname(file)) ? loadYaml(file) : await loadModule(file);
  return { ...checkConfig(raw, file), file };
}

async function loadModule(file: string): Promise<unknown> {
  // `import 'insideout'` means the very package that runs, whether it is installed or a clone.
  const index = ['../../index.ts', '../../index.js']
    .map((p) => fileURLToPath(new URL(p, import.meta.url)))
    .find(existsSync);
  const jiti = createJiti(dirname(file), { alias: index ? { insideout: index } : {}, moduleCache: false });
  try {
    return await jiti.import(file, { default: true });
  } catch (error) {
    throw unusable(
      `${file} cannot be loaded: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`,
      'Correct the file; it must export a config by default.',
      error,
    );
  }
}

function loadYaml(file: string): unknown {
  try {
    const missing = new Set<string>();
    const config = substitute(parse(readFileSync(file, 'utf8')), missing);
    if (missing.size === 0) return config;
    const names = [...missing].join(', ');
    throw unusable(`${file} uses environment variables that are not set: ${names}.`, `Set ${names}.`);
  } catch (error) {
    if (error instanceof InsideoutError) throw error;
    throw unusable(
      `${file} is not YAML: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`,
      'Correct the file.',
      error,
    );
  }
}

/** `${NAME}` in a text becomes the environment variable, so that secrets stay out of the file. */
function substitute(value: unknown, missing: Set<string>): unknown {
  if (typeof value === 'string')
    return value.replace(/\$\{(\w+)\}/g, (_match, name: string) => {
      const found = process.env[name];
      if (found === undefined) missing.add(name);
      return found ?? '';
    });
  if (Array.isArray(value)) return value.map((v) => substitute(v, missing));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, substitute(v, missing)]));
}

function unusable(message: string, hint: string, cause?: unknown): InsideoutError {
  return new InsideoutError('CONFIG_INVALID', message, { hint, cause });
}
