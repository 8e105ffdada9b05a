import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { InsideoutError } from '../core/errors.ts';
import { SubjectKeys } from './subject-keys.ts';

/** Encrypts what belongs to a subject, so that it can be made unreadable wherever it was copied to. */
export interface Shredder {
  /**
   * AES-256-GCM with the subject's key, which is made when there is none. Errors: `ERASURE_KEY` after the key was
   * destroyed.
   */
  encrypt(subject: string, bytes: Uint8Array): Buffer;
  /**
   * What was encrypted; null after the subject's key was destroyed, for ever. Errors: `ERASURE_KEY` when the file
   * never had a key of the subject, `RECORD_UNDECODABLE` for bytes that were altered, or encrypted for another.
   */
  decrypt(subject: string, bytes: Uint8Array): Buffer | null;
  /**
   * Destroys the subject's key: durable, and its bytes gone from the file, when it returns. False when it was
   * destroyed before. No copy of the file is reached: keep it out of backups that live longer than an erasure may.
   */
  destroy(subject: string): boolean;
  close(): void;
}

/** The name of a subject as `insideout erase` destroys its key: the subject of the config, and the id. */
export const shredSubject = (subject: string, id: string): string => `${subject}:${id}`;

/**
 * Crypto-shredding over a file of keys, for topics that cannot be compacted. A subject is any text; with
 * `erasure.shred` in the config an erasure destroys the key of `<subject>:<id>`, as in `customer:42`. Synchronous,
 * so that a view's row function can decrypt. What it guards is as safe as the file. A producer and a view use the
 * same file. Errors: `ERASURE_KEY`.
 */
export function shredder(options: { keys: string }): Shredder {
  const keys = new SubjectKeys(options.keys, { create: true });
  return {
    encrypt: (subject, bytes) => {
      const hash = keys.hash(subject);
      const key = keys.findOrMake(hash);
      if (!key)
        throw new InsideoutError('ERASURE_KEY', 'The key of this subject was destroyed by an erasure.', {
          hint: 'Do not write about it any more; a subject that may come back needs another name.',
        });
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(hash));
      const body = Buffer.concat([cipher.update(bytes), cipher.final()]);
      return Buffer.concat([Buffer.of(version), iv, cipher.getAuthTag(), body]);
    },
    decrypt: (subject, bytes) => {
      const hash = keys.hash(subject);
      const key = keys.find(hash);
      if (key === null) return null;
      if (key === undefined)
        throw new InsideoutError('ERASURE_KEY', `The file ${options.keys} has no key of this subject.`, {
          hint: 'Give the file that it was encrypted with.',
        });
      try {
        return open(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), key, hash);
      } catch (error) {
        throw new InsideoutError(
          'RECORD_UNDECODABLE',
          'Encrypted bytes do not fit the key of their subject.',
          {
            hint: 'They were altered, or encrypted for another subject.',
            cause: error,
          },
        );
      }
    },
    destroy: (subject) => keys.destroy(keys.hash(subject)),
    close: () => keys.close(),
  };
}

const version = 1;
const ivBytes = 12;
const tagBytes = 16;

function open(bytes: Buffer, key: Buffer, hash: string): Buffer {
  if (bytes[0] !== version || bytes.length < 1 + ivBytes + tagBytes) throw new RangeError('not encrypted');
  const iv = bytes.subarray(1, 1 + ivBytes);
  const tag = bytes.subarray(1 + ivBytes, 1 + ivBytes + tagBytes);
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(hash)).setAuthTag(tag);
  return Buffer.concat([decipher.update(bytes.subarray(1 + ivBytes + tagBytes)), decipher.final()]);
}
