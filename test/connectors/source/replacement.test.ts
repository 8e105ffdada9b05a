import { expect, test } from 'vitest';
import { isRandom, parseReplacement } from '../../../connectors/source/replacement.ts';

test.each<[string, string[]]>([
  ['', ['']],
  ['somebody', ['somebody']],
  ['{random}', ['', '']],
  ['erased-{random}@example.invalid', ['erased-', '@example.invalid']],
  ['{random}{random}', ['', '', '']],
  ['{{random}}', ['{random}']],
  ['{{id}}: {random}', ['{id}: ', '']],
  ['{"{random}",b}', ['{"', '",b}']],
  ['{"a": {"b": 1}}', ['{"a": {"b": 1}}']],
  ['{} {1,2} {{1},{2}} { random } }{', ['{} {1,2} {{1},{2}} { random } }{']],
])('%s is read as texts with a random value between them', (text, texts) => {
  expect(parseReplacement(text)).toEqual(texts);
  expect(isRandom(text)).toBe(texts.length > 1);
});

test('another word in braces is a sentence with both ways to mend it', () => {
  expect(parseReplacement('{random} {id} {name}')).toEqual({
    problem: expect.stringMatching(/^holds \{id\}, but only \{random\} is known.* write \{\{id\}\}$/),
  });
});

test('null, numbers and booleans are never random', () => {
  expect([null, 1, true].map(isRandom)).toEqual([false, false, false]);
});
