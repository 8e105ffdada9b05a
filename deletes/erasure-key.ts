import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { InsideoutError } from '../core/errors.ts';
import { makeFolder } from '../log/folder.ts';
import { KeyHasher } from './key-hash.ts';
import { assertPrivate } from './private-file.ts';

/** What signs certificates, and what hashes identifiers; the second is derived from the first. */
export interface ErasureKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly hasher: KeyHasher;
}

/**
 * Reads the Ed25519 private key, PKCS #8 in PEM; creates one that only its owner may read when there is none and
 * `create` is set. One that others may read is refused. Whoever loses it can prove nothing any more, so it belongs into the backups of secrets.
 * Errors: `ERASURE_KEY`.
 */
export function loadErasureKey(path: string, options: { create: boolean }): ErasureKey {
  if (!existsSync(path)) {
    if (!options.create)
      throw new InsideoutError('ERASURE_KEY', `There is no key of erasures at ${path}.`, {
        hint: 'Restore it from your backup of secrets, or correct `erasure.key` in the config.',
      });
    create(path);
  }
  assertPrivate(path, 'The key of erasures at');
  try {
    const privateKey = createPrivateKey(readFileSync(path));
    if (privateKey.asymmetricKeyType !== 'ed25519') throw new TypeError('not an Ed25519 key');
    const raw = privateKey.export({ type: 'pkcs8', format: 'der' });
    const secret = Buffer.from(hkdfSync('sha256', raw, '', 'insideout erasure identifiers', 32));
    return { privateKey, publicKey: createPublicKey(privateKey), hasher: new KeyHasher(secret) };
  } catch (error) {
    throw new InsideoutError('ERASURE_KEY', `The key of erasures at ${path} cannot be used.`, {
      hint: 'It must be an Ed25519 private key in PEM (PKCS #8) that this user may read.',
      cause: error,
    });
  }
}

function create(path: string): void {
  const { privateKey } = generateKeyPairSync('ed25519');
  makeFolder(dirname(path), 0o700);
  // `wx`: of two processes that start at once one creates it, and the other reads it.
  try {
    writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST')
      throw new InsideoutError('ERASURE_KEY', `The key of erasures cannot be created at ${path}.`, {
        hint: 'Check that the folder may be written to, or set `erasure.key` in the config.',
        cause: error,
      });
  }
}
