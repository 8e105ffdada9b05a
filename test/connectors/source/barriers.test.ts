import { expect, test } from 'vitest';
import {
  barriersTopic,
  decodeBarrier,
  encodeBarrier,
  parseContent,
} from '../../../connectors/source/barriers.ts';
import { formatToken, parseToken } from '../../../connectors/source/token.ts';

test('a barrier survives its record', () => {
  const barrier = {
    id: 'é"',
    lsn: (1n << 40n) + 5n,
    content: { id: 'é"', n: 1 },
    ends: new Map([['a.b/0', 7]]),
  };
  const record = encodeBarrier('shop', barrier, 5);
  expect(record).toMatchObject({ topic: barriersTopic('shop'), partition: 0, timestamp: 5 });
  expect(decodeBarrier(record)).toEqual(barrier);
  expect(() => decodeBarrier({ value: null })).toThrow(
    expect.objectContaining({ code: 'RECORD_UNDECODABLE' }),
  );
});

test.each([
  '',
  'x',
  'null',
  '[]',
  '"id"',
  '{}',
  '{"id":1}',
  '{"id":""}',
  JSON.stringify({ id: 'a', pad: 'x'.repeat(1_024) }),
])('content %j is no barrier', (text) => {
  expect(parseContent(Buffer.from(text))).toBeNull();
});

test('content of one kilobyte is a barrier', () => {
  const text = JSON.stringify({ id: 'a', pad: '' });
  const full = JSON.stringify({ id: 'a', pad: 'x'.repeat(1_024 - text.length) });
  expect(parseContent(Buffer.from(full))?.id).toBe('a');
});

test('a token survives its text, and other text is refused', () => {
  expect(parseToken(formatToken('shop', 0x1_0000_00ffn))).toEqual({ source: 'shop', lsn: 0x1_0000_00ffn });
  for (const text of ['', 'shop', 'shop:', 'shop:0/', ':0/1', 'shop:0/1 ', 'a:b:0/1', 'shop:0/123456789'])
    expect(() => parseToken(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
});
