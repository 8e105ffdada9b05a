import { InsideoutError } from '../core/errors.ts';
import type { Log } from '../log/log.ts';
import type { CheckedConfig } from './config/check.ts';
import { missingFile, openLog } from './wiring.ts';

/** The Log, for those who only read it: nothing is created. `LOG_UNREACHABLE` when its file is not there. */
export async function openExistingLog(config: CheckedConfig): Promise<Log> {
  const missing = missingLog(config);
  if (missing) throw missing;
  return openLog(config);
}

/** For those who only read a store and must not create it: `STORE_UNREACHABLE` when its file is not there. */
export function mustExist(config: CheckedConfig, name: string): void {
  const store = config.stores[name];
  const file = store ? missingFile(store) : null;
  if (file === null) return;
  throw new InsideoutError('STORE_UNREACHABLE', `There is no file ${file} of the store "${name}".`, {
    hint: `Run \`insideout up\`, which creates it, or correct \`stores.${name}.path\` in the config.`,
  });
}

/** What is wrong when the file of a store is not there though generations are in it; null when it is, or the store has none. */
export function lostFile(config: CheckedConfig, name: string): InsideoutError | null {
  const store = config.stores[name];
  const file = store ? missingFile(store) : null;
  if (file === null) return null;
  return new InsideoutError(
    'STORE_UNREACHABLE',
    `There is no file ${file} of the store "${name}", and the catalog has generations of views in it.`,
    {
      hint: 'Put it back, or run `insideout up`, which builds the views of the config in a new one. What is gone for good of a view that the config has not there any more, `insideout retire <view> --store-gone` gives up.',
    },
  );
}

/** What is wrong when the embedded Log's file is not there; null when it is, or when the Log has none. */
export function missingLog(config: CheckedConfig): InsideoutError | null {
  const file = missingFile(config.log);
  if (file === null) return null;
  return new InsideoutError('LOG_UNREACHABLE', `There is no file ${file} of the Log.`, {
    hint: 'Run `insideout up`, which creates it, or correct `log.path` in the config.',
  });
}
