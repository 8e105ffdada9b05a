import { createReadStream, existsSync } from 'node:fs';

/**
 * Searches files for texts as bytes, in UTF-8, whatever their format; returns the texts that were found. Files
 * that do not exist hold nothing. What is compressed or encrypted is not found.
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
  const overlap = Math.max(...wanted.map(({ bytes }) => bytes.length)) - 1;
  for (const file of files) {
    if (!existsSync(file)) continue;
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of createReadStream(file, {
      highWaterMark: 4 << 20,
      signal,
    }) as AsyncIterable<Buffer>) {
      const window = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      for (const { text, bytes } of wanted) if (!found.has(text) && window.includes(bytes)) found.add(text);
      rest = Buffer.from(window.subarray(Math.max(0, window.length - overlap)));
    }
  }
  return found;
}
