/** Hashes of one topic or column; `stays` as in `NotedRows`. */
interface HashList {
  readonly hashes: readonly string[] | null;
  readonly stays?: readonly string[];
}

/**
 * So many bytes of JSON these lists take at most in one event, in round figures: an event is one record, of which
 * brokers take 1 MiB where nobody has told them otherwise.
 */
export const usualEventBytes = 512 * 1024;

/** A hash, with quotes and comma. */
const hashBytes = 35;

/** What an event says of that it is not the last. */
type More = { readonly more?: true };

/**
 * Splits lists of hashes among as many events as they need, in their order: at least one, which may be empty, and
 * all but the last with `more`. What an entry says beside its hashes stands in each part that has some of them, so
 * whoever joins the parts again counts it once.
 */
export function inParts<Lists extends Readonly<Record<string, readonly HashList[]>>>(
  lists: Lists,
  most = usualEventBytes,
): [Lists, More][] {
  const empty = () => Object.fromEntries(Object.keys(lists).map((name) => [name, [] as HashList[]]));
  let part = empty();
  let bytes = 0;
  const parts = [part];
  for (const [name, entries] of Object.entries(lists))
    for (const entry of entries)
      for (const piece of piecesOf(entry, Math.max(1, Math.floor(most / hashBytes)))) {
        const more = Buffer.byteLength(JSON.stringify(piece)) + 1;
        if (bytes > 0 && bytes + more > most) {
          part = empty();
          bytes = 0;
          parts.push(part);
        }
        part[name]!.push(piece);
        bytes += more;
      }
  return parts.map((one, i) => [one as unknown as Lists, i < parts.length - 1 ? { more: true } : {}]);
}

/** With so many hashes at most in each. */
function* piecesOf(entry: HashList, most: number): Generator<HashList> {
  const { hashes, stays } = entry;
  if (hashes === null || hashes.length + (stays?.length ?? 0) <= most) {
    yield entry;
    return;
  }
  const nothing = stays ? { stays: [] } : {};
  for (const some of slices(hashes, most)) yield { ...entry, ...nothing, hashes: some };
  for (const some of slices(stays ?? [], most)) yield { ...entry, hashes: [], stays: some };
}

function* slices(hashes: readonly string[], most: number): Generator<readonly string[]> {
  for (let at = 0; at < hashes.length; at += most) yield hashes.slice(at, at + most);
}
