import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  type Certificate,
  type CertificateBody,
  canonical,
  certificateHash,
  chainProblems,
  signCertificate,
} from '../../deletes/certificate.ts';
import { certificatePage } from '../../deletes/certificate-page.ts';

const ours = generateKeyPairSync('ed25519');
const theirs = generateKeyPairSync('ed25519');

function chainOf(length: number): Certificate[] {
  const chain: Certificate[] = [];
  for (let number = 1; number <= length; number++) {
    const last = chain.at(-1);
    chain.push(signCertificate(body(number, last ? certificateHash(last) : null), ours.privateKey));
  }
  return chain;
}

const body = (number: number, previous: string | null): CertificateBody => ({
  version: 1,
  number,
  erasure: `e${number}`,
  subject: 'customer',
  subjectHash: 'abc',
  requestedAt: '2026-01-01T00:00:00.000Z',
  completedAt: '2026-01-01T00:01:00.000Z',
  by: 'me@here',
  rows: { 'public.customers': 1 },
  places: [{ kind: 'topic', name: 't', state: 'verified', reason: 'Read.', at: 1, read: 7 }],
  previous,
});

const problems = (chain: readonly Certificate[], head?: string) => chainProblems(chain, ours.publicKey, head);

test('an untouched chain has no problem, also after it went through JSON', () => {
  expect(problems(chainOf(4))).toEqual([]);
  expect(problems(JSON.parse(JSON.stringify(chainOf(4))))).toEqual([]);
  expect(problems([])).toEqual([]);
});

test.each<[string, (chain: Certificate[]) => Certificate[]]>([
  ['altered in its first', (c) => [{ ...c[0]!, body: { ...c[0]!.body, subjectHash: 'x' } }, ...c.slice(1)]],
  ['altered in its last', (c) => [...c.slice(0, 3), { ...c[3]!, body: { ...c[3]!.body, by: 'x' } }]],
  ['altered in a place', (c) => c.map((one, i) => (i === 1 ? withState(one) : one))],
  [
    'with one that was signed anew, with the same key',
    (c) => c.map((one, i) => (i === 1 ? signCertificate({ ...one.body, by: 'x' }, ours.privateKey) : one)),
  ],
  ['whose last names another key', (c) => [...c.slice(0, 3), { ...c[3]!, publicKey: 'x' }]],
  ['without its first', (c) => c.slice(1)],
  ['without one in the middle', (c) => [c[0]!, ...c.slice(2)]],
  ['with two in each other’s place', (c) => [c[0]!, c[2]!, c[1]!, c[3]!]],
  ['with one twice', (c) => [c[0]!, c[0]!, ...c.slice(1)]],
  ['signed with another key', (c) => c.map((one) => signCertificate(one.body, theirs.privateKey))],
  [
    'with its last signed with another key',
    (c) => [...c.slice(0, 3), signCertificate(c[3]!.body, theirs.privateKey)],
  ],
  [
    'with another key’s signature under our key’s name',
    (c) => [
      ...c.slice(0, 3),
      { ...signCertificate(c[3]!.body, theirs.privateKey), publicKey: c[3]!.publicKey },
    ],
  ],
])('a chain %s has problems', (_what, change) => {
  expect(problems(change(chainOf(4)))).not.toEqual([]);
});

test('a chain that was cut off at its end looks whole, unless somebody kept a later hash', () => {
  const chain = chainOf(4);
  expect(problems(chain.slice(0, 3))).toEqual([]);
  expect(problems(chain.slice(0, 3), certificateHash(chain[3]!))).toEqual([
    expect.stringMatching(/not in the chain/),
  ]);
  for (const certificate of chain) expect(problems(chain, certificateHash(certificate))).toEqual([]);
});

test('the same content has the same bytes, in whatever order its members came', () => {
  expect(canonical({ b: [1, { d: null, c: 'x' }], a: undefined })).toBe('{"b":[1,{"c":"x","d":null}]}');
  expect(canonical({ a: 1, b: 2 })).toBe(canonical({ b: 2, a: 1 }));
});

test('the page escapes everything, runs nothing and loads nothing', () => {
  const evil = `<script>alert(1)</script><img src=x onerror="alert('2')">&`;
  const chain = chainOf(1);
  const poisoned = JSON.parse(JSON.stringify(chain[0]), (_name, value) =>
    typeof value === 'string' && !/^\d{4}-/.test(value) ? evil : value,
  );
  poisoned.body.number = evil;
  poisoned.body.places[0].read = evil;
  poisoned.body.rows = { [evil]: evil };
  const page = certificatePage(poisoned);
  expect(page).not.toMatch(/<script|<img|onerror="|'2'/);
  expect(page).toContain('&lt;script&gt;');
  expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
  expect(certificatePage(chain[0]!)).not.toMatch(/https?:|src=|href=|url\(/);
});

function withState(certificate: Certificate): Certificate {
  const places = certificate.body.places.map((p) => ({ ...p, state: 'unverifiable' as const }));
  return { ...certificate, body: { ...certificate.body, places } };
}
