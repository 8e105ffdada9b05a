import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { SocketRest } from '../../../../connectors/source/postgres/socket-rest.ts';
import { eventually } from '../../../support/eventually.ts';
import { localhostCertificate } from '../../../support/localhost-certificate.ts';

const open: { destroy(): void }[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

/** Both ends of a connection; `read` are the chunks as they came to ours. */
async function pair(kind: 'plain' | 'tls') {
  const server = kind === 'plain' ? createServer() : createTlsServer(localhostCertificate);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, kind === 'plain' ? 'connection' : 'secureConnection');
  const plain = connect(port, '127.0.0.1');
  const ours: Socket =
    kind === 'plain'
      ? plain
      : connectTls({ socket: plain, ca: localhostCertificate.cert, host: 'localhost' });
  const [theirs] = (await accepted) as [Socket];
  open.push(ours, theirs, { destroy: () => server.close() });
  const read: string[] = [];
  ours.on('data', (chunk) => read.push(chunk.toString()));
  theirs.write('hello');
  await eventually('the connection is read', () => read.length > 0);
  read.length = 0;
  return { ours, theirs, read };
}

const long = 3_600_000;

test.each(['plain', 'tls'] as const)('what comes during a rest is read after it (%s)', async (kind) => {
  const { ours, theirs, read } = await pair(kind);
  const rest = new SocketRest(ours, long);
  rest.begin();
  theirs.write('a');
  await wait(30);
  theirs.write('b');
  await wait(30);
  expect(read).toEqual([]);
  rest.end();
  await eventually('all is read', () => read.join('') === 'ab');
  // TLS keeps its records apart; what matters is that they came with one read.
  if (kind === 'plain') expect(read).toEqual(['ab']);
});

test.each(['plain', 'tls'] as const)('a rest ends by itself, and another may begin (%s)', async (kind) => {
  const { ours, theirs, read } = await pair(kind);
  const rest = new SocketRest(ours, 20);
  for (const text of ['a', 'b', 'c']) {
    rest.begin();
    rest.begin();
    theirs.write(text);
    await eventually('it is read', () => read.join('').endsWith(text));
  }
  expect(read.join('')).toBe('abc');
});

test.each(['plain', 'tls'] as const)(
  'resuming does not end a rest, and a pause outlasts it (%s)',
  async (kind) => {
    const { ours, theirs, read } = await pair(kind);
    const rest = new SocketRest(ours, long);
    ours.pause();
    rest.begin();
    ours.resume();
    theirs.write('a');
    await wait(30);
    expect(read).toEqual([]);
    ours.pause();
    rest.end();
    await wait(30);
    expect(read).toEqual([]);
    ours.resume();
    await eventually('all is read', () => read.join('') === 'a');
  },
);

test.each(['plain', 'tls'] as const)(
  'a socket whose buffer is full is left as it is, and read once it is resumed (%s)',
  async (kind) => {
    const { ours, theirs, read } = await pair(kind);
    const rest = new SocketRest(ours, 5);
    ours.pause();
    const large = 'x'.repeat(1 << 20);
    theirs.write(large);
    await eventually('the buffer is full', () => ours.readableLength >= ours.readableHighWaterMark);
    await wait(30);
    const { readableLength } = ours;
    rest.begin();
    await wait(30);
    rest.end();
    expect(ours.readableLength).toBe(readableLength);
    ours.resume();
    await eventually('all is read', () => read.join('').length === large.length);
    expect(ours.destroyed).toBe(false);
  },
);

test('the end of a connection is seen after the rest, and a rest on what is closed does nothing', async () => {
  const { ours, theirs } = await pair('plain');
  const rest = new SocketRest(ours, 30);
  rest.begin();
  theirs.end();
  await once(ours, 'close');
  rest.begin();
  rest.end();
  const other = await pair('plain');
  const broken = new SocketRest(other.ours, 5);
  broken.begin();
  other.ours.destroy();
  await wait(20);
});
