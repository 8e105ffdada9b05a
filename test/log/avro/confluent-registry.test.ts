import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { confluentRegistry } from '../../../log/avro/confluent-registry.ts';

/** What a server answers: status and body, by path. */
type Answers = (path: string) => [status: number, body: string];

let answers: Answers;
let asked: { readonly what: string; readonly authorization: string | undefined }[];
let server: Server;
let url: string;
beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    asked.push({
      what: `${request.method} ${request.url}`,
      authorization: request.headers.authorization,
    });
    const [status, body] = answers(request.url ?? '');
    response.writeHead(status).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const schema = { type: 'record', name: 'r', fields: [] };
const noSchema = '{"error_code":40403,"message":"Schema 7 not found"}';
const registryWith =
  (others: [number, string]): Answers =>
  (path) =>
    path.startsWith('/subjects?') ? [200, '["shop.public.t-key"]'] : others;

describe('a url that is not that of a registry', () => {
  test.each<[string, [number, string]]>([
    [
      'says in JSON that there is nothing',
      [404, '{"error_code":404,"message":"HTTP 404 Not Found","detail":"…"}'],
    ],
    ['says so as a page', [404, '<html>nginx</html>']],
    ['says so in no word', [404, '']],
    ['shows the same page for every path', [200, '<html>app</html>']],
    ['leads elsewhere', [302, '']],
    ['is of another JSON API', [200, '{"subjects":[]}']],
  ])('is for an operator, with the path that mends it, when it %s', async (_name, answer) => {
    answers = () => answer;
    const wrong = {
      code: 'SCHEMA_REGISTRY',
      retry: 'operator',
      message: expect.stringContaining(url),
      hint: expect.stringContaining('/apis/ccompat/v7'),
    };
    const registry = confluentRegistry({ url });
    await expect(registry.schema(7)).rejects.toMatchObject(wrong);
    await expect(registry.register('shop.public.t-key', schema)).rejects.toMatchObject(wrong);
  });

  test('shows no password that is in it', async () => {
    answers = () => [404, ''];
    const registry = confluentRegistry({ url: url.replace('//', '//user:s3cret@') });
    const error = await registry.schema(7).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'SCHEMA_REGISTRY' });
    expect(String(error)).not.toContain('s3cret');
  });
});

test('a registry that does not have a schema says so', async () => {
  answers = registryWith([404, noSchema]);
  await expect(confluentRegistry({ url }).schema(7)).rejects.toMatchObject({ code: 'SCHEMA_UNKNOWN' });
});

test('a registry that is busy or gone is waited for', async () => {
  answers = () => [503, 'starting'];
  const registry = confluentRegistry({ url });
  const away = { code: 'SCHEMA_UNREACHABLE', retry: 'backoff' };
  await expect(registry.schema(7)).rejects.toMatchObject(away);
  server.closeAllConnections();
  server.close();
  await expect(registry.schema(7)).rejects.toMatchObject(away);
  await expect(registry.register('s', schema)).rejects.toMatchObject(away);
});

test('a proxy that has lost the registry for a while blames neither the records nor the url', async () => {
  answers = (path) => (path.startsWith('/schemas/ids/1') ? [200, '{"schema":"\\"int\\""}'] : [404, noSchema]);
  const registry = confluentRegistry({ url });
  expect(await registry.schema(1)).toBe('int');
  answers = () => [404, 'default backend'];
  await expect(registry.schema(7)).rejects.toMatchObject({ code: 'SCHEMA_UNREACHABLE' });
  await expect(registry.register('s', schema)).rejects.toMatchObject({ code: 'SCHEMA_UNREACHABLE' });
});

test('a registry that refuses the credentials is for an operator', async () => {
  answers = () => [401, '{"error_code":401,"message":"Unauthorized"}'];
  const registry = confluentRegistry({ url, username: 'u', password: 'p' });
  await expect(registry.schema(7)).rejects.toMatchObject({ code: 'LOG_AUTH' });
});

test('a schema is registered by one request, and the rule of its subject is left alone', async () => {
  answers = () => [200, '{"id":7}'];
  expect(await confluentRegistry({ url: `${url}/apis/` }).register('shop.public.t-key', schema)).toBe(7);
  expect(asked.map(({ what }) => what)).toEqual(['POST /apis/subjects/shop.public.t-key/versions']);
});

test('a refusal that was a race of two who begin a subject is none', async () => {
  answers = () => (asked.length < 3 ? [409, '{"error_code":409}'] : [200, '{"id":7}']);
  expect(await confluentRegistry({ url }).register('s', schema)).toBe(7);
});

test('credentials are given with the request, those of the config before those of the url', async () => {
  answers = () => [200, '{"schema":"\\"int\\""}'];
  await confluentRegistry({ url, username: 'u', password: 'p' }).schema(1);
  await confluentRegistry({ url: url.replace('//', '//a:b@') }).schema(1);
  await confluentRegistry({ url: url.replace('//', '//a:b@'), username: 'u', password: 'p' }).schema(1);
  expect(asked.map(({ authorization }) => authorization)).toEqual(
    ['u:p', 'a:b', 'u:p'].map((text) => `Basic ${Buffer.from(text).toString('base64')}`),
  );
});
