import { type Certificate, certificateHash } from './certificate.ts';

/**
 * A certificate as a page that stands alone: no script, nothing loaded from elsewhere, fit to print. Escapes everything, for whoever
 * writes to the Log could put in anything.
 */
export function certificatePage(certificate: Certificate): string {
  const { body, signature, publicKey } = certificate;
  const facts: [string, string][] = [
    ['Certificate', `${body.number}`],
    ['Erasure', body.erasure],
    ['Subject', `${body.subject}, as the keyed hash ${body.subjectHash}`],
    ['Requested', `${body.requestedAt} by ${body.by}`],
    ['Completed', body.completedAt],
    [
      'Rows',
      Object.entries(body.rows)
        .map(([table, n]) => `${table}: ${n}`)
        .join(', ') || 'none',
    ],
    ['Digest of the erased keys', body.keys ?? 'none'],
    ['Previous certificate', body.previous ?? 'none: this is the first'],
    ['This certificate', certificateHash(certificate)],
    ['Signature (Ed25519)', signature],
    ['Public key', publicKey],
  ];
  const places = body.places.map(
    (p) =>
      `<tr class="${escaped(p.state)}"><td>${escaped(p.kind)}</td><td>${escaped(p.name)}</td><td><b>${escaped(p.state)}</b></td>` +
      `<td>${escaped(p.reason)}</td><td>${escaped(p.read ?? '')}</td><td>${new Date(p.at).toISOString()}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Certificate of erasure ${escaped(body.number)}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #ddd; overflow-wrap: anywhere }
th { white-space: nowrap }
.verified b { color: #17632a } .unverifiable b { color: #8a5a00 } .applied b, .pending b { color: #a01818 }
</style>
</head>
<body>
<h1>Certificate of erasure</h1>
<table>${facts.map(([name, value]) => `<tr><th>${escaped(name)}</th><td>${escaped(value)}</td></tr>`).join('')}</table>
<h2>Places</h2>
<p><b>verified</b>: read back, and nothing of the subject is there. <b>unverifiable</b>: cannot be read back from here, for the reason given.</p>
<table>
<tr><th>Kind</th><th>Place</th><th>State</th><th>How it was found</th><th>Read</th><th>When</th></tr>
${places.join('\n')}
</table>
<p>Check it, with the chain it belongs to: <code>insideout erasure verify ${escaped(body.erasure)}</code></p>
</body>
</html>
`;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escaped = (text: string | number): string => String(text).replace(/[&<>"']/g, (c) => entities[c]!);
