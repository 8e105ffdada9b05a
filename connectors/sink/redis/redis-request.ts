import { Command } from 'ioredis';
import { grown } from '../grown.ts';

/** What a value's frame takes at most: `$`, a length of up to ten digits, and two line ends. */
const frame = 15;

/**
 * A command as it travels: an array of strings by https://redis.io/docs/latest/develop/reference/protocol-spec, made
 * in one pass. The client would make a text of it first, from pieces of four for each value, which for thousands of
 * rows takes longer than to make the rows, and leaves more to the garbage collector.
 */
export function requestBytes(words: readonly (string | number)[]): Buffer {
  let longest = 0;
  let bound = frame;
  for (const word of words) {
    const { length } = typeof word === 'string' ? word : String(word);
    if (length > longest) longest = length;
    bound += length + frame;
  }
  // Enough for plain ASCII, and room for the next value whatever is in it.
  let bytes: Buffer = Buffer.allocUnsafeSlow(bound + 2 * longest);
  let at = writeLine(bytes, 0, asterisk, words.length);
  for (const word of words) {
    const text = typeof word === 'string' ? word : String(word);
    const most = at + frame + 3 * text.length;
    if (most > bytes.length) bytes = grown(bytes, at, most);
    at = writeText(bytes, at, text);
  }
  return bytes.subarray(0, at);
}

/** A command whose bytes are there already. */
export class EncodedCommand extends Command {
  readonly #bytes: Buffer;

  constructor(words: readonly [string, ...(string | number)[]]) {
    super(words[0], [], { replyEncoding: 'utf8' });
    this.#bytes = requestBytes(words);
  }

  override toWritable(): Buffer {
    return this.#bytes;
  }
}

function writeText(bytes: Buffer, start: number, text: string): number {
  // The length comes first and is in bytes: nearly always as many as there are characters.
  let from = writeLine(bytes, start, dollar, text.length);
  const length = bytes.write(text, from);
  if (length !== text.length) {
    const moved = writeLine(bytes, start, dollar, length);
    // A longer length may have overwritten the first bytes.
    if (moved !== from) bytes.write(text, moved);
    from = moved;
  }
  return writeEnd(bytes, from + length);
}

function writeLine(bytes: Buffer, start: number, kind: number, number: number): number {
  bytes[start] = kind;
  let digits = 1;
  for (let rest = number; rest > 9; rest = Math.floor(rest / 10)) digits++;
  let rest = number;
  for (let at = start + digits; at > start; at--) {
    bytes[at] = zero + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return writeEnd(bytes, start + 1 + digits);
}

function writeEnd(bytes: Buffer, at: number): number {
  bytes[at] = carriageReturn;
  bytes[at + 1] = lineFeed;
  return at + 2;
}

const asterisk = 0x2a;
const dollar = 0x24;
const zero = 0x30;
const carriageReturn = 0x0d;
const lineFeed = 0x0a;
