import { createReadStream, existsSync } from 'node:fs';

/**
 * Searches files for texts as bytes, in UTF-8, whatever their format; returns the texts that were found. Takes as
 * long for a thousand texts as for one. Files that do not exist hold nothing. What is compressed or encrypted is
 * not found.
 */
export async function searchFiles(
  files: readonly string[],
  texts: readonly string[],
  signal: AbortSignal,
): Promise<Set<string>> {
  const wanted = texts
    .map((text) => ({ text, bytes: Buffer.from(text) }))
    .filter(({ bytes }) => bytes.length > 0);
  const found = new Set<string>();
  if (wanted.length === 0) return found;
  const search = wanted.length <= few ? oneByOne : byHeads(wanted);
  const overlap = Math.max(...wanted.map(({ bytes }) => bytes.length)) - 1;
  for (const file of files) {
    if (!existsSync(file)) continue;
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of createReadStream(file, {
      highWaterMark: 4 << 20,
      signal,
    }) as AsyncIterable<Buffer>) {
      const window = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      search(window, wanted, found);
      rest = Buffer.from(window.subarray(Math.max(0, window.length - overlap)));
    }
  }
  return found;
}

interface Wanted {
  readonly text: string;
  readonly bytes: Buffer;
}

type Search = (window: Buffer, wanted: readonly Wanted[], found: Set<string>) => void;

/** Up to this many, searching for each is faster. */
const few = 8;

const oneByOne: Search = (window, wanted, found) => {
  for (const { text, bytes } of wanted) if (!found.has(text) && window.includes(bytes)) found.add(text);
};

/** Looks at every place of the window once: two bytes say how long the texts are that may begin there. */
function byHeads(wanted: readonly Wanted[]): Search {
  const short = wanted.filter(({ bytes }) => bytes.length < 2);
  const long = wanted.filter(({ bytes }) => bytes.length >= 2);
  const texts = new Map(long.map(({ text, bytes }) => [bytes.toString('latin1'), text]));
  const lengths: (Set<number> | undefined)[] = new Array(1 << 16);
  for (const { bytes } of long) {
    const head = bytes.readUInt16BE(0);
    lengths[head] = (lengths[head] ?? new Set()).add(bytes.length);
  }
  return (window, _wanted, found) => {
    oneByOne(window, short, found);
    for (let at = 0, head = window[0] ?? 0; at + 1 < window.length; at++) {
      head = ((head << 8) | window[at + 1]!) & 0xffff;
      for (const length of lengths[head] ?? none) {
        const text = texts.get(window.toString('latin1', at, at + length));
        if (text !== undefined) found.add(text);
      }
    }
  };
}

const none: ReadonlySet<number> = new Set();
