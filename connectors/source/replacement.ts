/** What a column is overwritten with when its row is anonymised. */
export type Replacement = string | number | boolean | null;

/** Texts with a fresh random value between each and the next; one text when there is none. */
export type RandomText = readonly [string, ...string[]];

const braces = /\{\{([A-Za-z_][A-Za-z0-9_]*)\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/**
 * Reads a text of the config: `{random}` stands for a new UUID in each row, `{{word}}` for the text `{word}`, and
 * all other braces, as those of JSON and of arrays, for themselves. A sentence instead for any other word in braces.
 */
export function parseReplacement(text: string): RandomText | { readonly problem: string } {
  const texts: [string, ...string[]] = [''];
  let unknown: string | null = null;
  let at = 0;
  const add = (more: string) => texts.push(texts.pop()! + more);
  for (const match of text.matchAll(braces)) {
    const [whole, literal, word] = match;
    add(text.slice(at, match.index));
    if (literal !== undefined) add(`{${literal}}`);
    else if (word === 'random') texts.push('');
    else unknown ??= word!;
    at = match.index + whole.length;
  }
  add(text.slice(at));
  return unknown === null
    ? texts
    : {
        problem: `holds {${unknown}}, but only {random} is known, a new UUID for each row; for these braces as they are write {{${unknown}}}`,
      };
}

const uuid = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';

/** Matches what rows get. */
export const randomPattern = (texts: RandomText): RegExp =>
  new RegExp(`^${texts.map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join(uuid)}$`);

/** True where rows get different values. */
export function isRandom(replacement: Replacement): boolean {
  if (typeof replacement !== 'string') return false;
  const parsed = parseReplacement(replacement);
  return 'problem' in parsed || parsed.length > 1;
}
