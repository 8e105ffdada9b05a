import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { ErasedKeys, Erasure } from './journal.ts';
import type { Place } from './place.ts';

/** What a certificate says; no personal data is in it. */
export interface CertificateBody {
  readonly version: 1;
  /** Counts the certificates of a chain, from 1. */
  readonly number: number;
  readonly erasure: string;
  /** Kind of subject, and the keyed hash of its id. */
  readonly subject: string;
  readonly subjectHash: string;
  readonly requestedAt: string;
  readonly completedAt: string;
  readonly by: string;
  /** Rows of each table that were deleted or anonymised. */
  readonly rows: Readonly<Record<string, number>>;
  readonly places: readonly Place[];
  /** `keysDigest` of the keyed hashes that were looked for and are kept out; former certificates have none. */
  readonly keys?: string;
  /** SHA-256 of the certificate before this one; null for the first. */
  readonly previous: string | null;
}

export interface Certificate {
  readonly body: CertificateBody;
  /** Ed25519 over the canonical JSON of the body, base64. */
  readonly signature: string;
  /** SubjectPublicKeyInfo, base64: what it was signed with; whether that is to be trusted is the reader's to know. */
  readonly publicKey: string;
}

/**
 * JSON with sorted keys and no white space: the same bytes for the same content, whoever writes them
 * (RFC 8785, of which only texts, whole numbers, null, lists and objects are used here).
 */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`);
  return `{${members.join(',')}}`;
}

/** What the next certificate names as its previous. Covers the signature: a re-signed one is another. */
export const certificateHash = (certificate: Certificate): string =>
  createHash('sha256').update(canonical(certificate)).digest('hex');

export function signCertificate(body: CertificateBody, privateKey: KeyObject): Certificate {
  return {
    body,
    signature: sign(null, Buffer.from(canonical(body)), privateKey).toString('base64'),
    publicKey: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).toString('base64'),
  };
}

/** All hashes that places are looked through for, those of columns under the topic and the column. */
export const lookedFor = ({
  keys,
  overwritten,
  former,
  owners,
}: Pick<Erasure, 'keys' | 'overwritten' | 'former' | 'owners'>): ErasedKeys[] => {
  const more = [
    ...overwritten.map(({ topic, hashes, point }) => ({
      topic: `${topic} ${point.lsn} ${point.micros}`,
      hashes,
    })),
    ...former.map(({ topic, hashes, point }) => ({
      topic: `${topic} former ${point.lsn} ${point.micros}`,
      hashes,
    })),
    ...owners.map(({ topic, column, hashes, point }) => ({
      topic: `${topic} ${column} ${point.lsn} ${point.micros}`,
      hashes: hashes ?? [],
    })),
  ];
  return [...keys, ...more];
};

/**
 * SHA-256 over the keyed hashes of an erasure, whatever their order: a certificate that names it shows later that the
 * same keys are asked for.
 */
export function keysDigest(keys: readonly ErasedKeys[]): string {
  const sorted = keys
    .map(({ topic, hashes }) => [topic, ...[...hashes].sort()])
    .sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
  return createHash('sha256').update(canonical(sorted)).digest('hex');
}

/** True when this key signed what it says. */
export const authentic = ({ body, signature }: Certificate, publicKey: KeyObject): boolean =>
  verify(null, Buffer.from(canonical(body)), publicKey, Buffer.from(signature, 'base64'));

/** True when the certificate can stand behind these: the next number, and the hash of the last. */
export function follows(chain: readonly Certificate[], { body }: Certificate): boolean {
  const last = chain.at(-1);
  return body.number === chain.length + 1 && body.previous === (last ? certificateHash(last) : null);
}

/**
 * What is wrong with a chain, as sentences; empty when nothing is. `publicKey` is the one that is trusted. That
 * entries are missing at the end shows only to who kept the hash of a later one, the `head`.
 */
export function chainProblems(
  chain: readonly Certificate[],
  publicKey: KeyObject,
  head?: string | undefined,
): string[] {
  const problems: string[] = [];
  const trusted = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  let previous: Certificate | null = null;
  let number = 1;
  for (const certificate of chain) {
    const { body } = certificate;
    const name = `certificate ${body.number} (erasure ${body.erasure})`;
    if (certificate.publicKey !== trusted) problems.push(`${name} was signed with another key`);
    if (!authentic(certificate, publicKey))
      problems.push(`the signature of ${name} does not fit what it says: it was altered`);
    if (body.number > number) problems.push(missing(number, body.number - 1));
    else if (body.number < number) problems.push(`${name} stands where ${number} belongs: one was moved`);
    else if (body.previous !== (previous && certificateHash(previous)))
      problems.push(`${name} does not follow the one before it: an entry was removed, moved or altered`);
    previous = certificate;
    number = body.number + 1;
  }
  if (head !== undefined && !chain.some((certificate) => certificateHash(certificate) === head))
    problems.push(`the certificate ${head} is not in the chain: entries were removed at its end`);
  return problems;
}

const missing = (from: number, to: number): string =>
  from === to ? `certificate ${from} is missing` : `certificates ${from} to ${to} are missing`;
