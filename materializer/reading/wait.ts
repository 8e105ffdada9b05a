import { setTimeout as pause } from 'node:timers/promises';
import type { Generation } from '../../connectors/sink/view-store.ts';
import type { PassedBarrier } from '../../connectors/source/barriers.ts';
import { parseToken, type Token } from '../../connectors/source/token.ts';
import { InsideoutError } from '../../core/errors.ts';
import type { Checkpoint, Offset, PartitionKey } from '../../core/position.ts';
import { untilAborted } from './until-aborted.ts';

/** One step from the source to the view: a generation, and the topic that it is made from. */
export interface Hop {
  readonly generation: Pick<Generation, 'view' | 'id' | 'checkpoint'>;
  readonly input: string;
}

/** The generation that readers see, and the hops that lead to it: source first, the generation's own last. */
export interface Chain {
  readonly generation: Generation;
  readonly hops: readonly Hop[];
}

export interface WaitParts {
  /** The view's name. */
  readonly view: string;
  /** Name of the source that feeds it. */
  readonly source: string;
  /** A barrier that is written after the call; `written` is called when only the source is still waited for. */
  barrier(signal: AbortSignal, written: () => void): Promise<PassedBarrier>;
  /** Next offset of every partition of a topic. */
  ends(topic: string): Promise<Checkpoint>;
  /** Asked again and again, so that a promotion in the middle is followed. Null while the view has no generation. */
  chain(): Promise<Chain | null>;
}

export interface WaitOptions {
  readonly after: Token;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

const firstPauseMs = 2;
const longestPauseMs = 50;

/**
 * Resolves with a generation that holds everything that was committed before the call, and that readers see.
 *
 * The token's position alone would not do: taken inside a transaction it lies before the commit, and other
 * transactions that commit in between carry the source past it. So a barrier is written now, after the commit,
 * and what counts is that the view has applied everything before the barrier. The token's position must lie
 * before the barrier's, or it is not of this database, or of a time yet to come.
 *
 * Errors: `READ_TIMEOUT`, which tells how far behind the view is; `USAGE` when the token is of another source;
 * those of the store, the Log and the source.
 */
export async function waitUntilApplied(parts: WaitParts, options: WaitOptions): Promise<Generation> {
  const token = parseToken(options.after);
  if (token.source !== parts.source) throw wrongSource(parts.view, token.source, parts.source);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), options.timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, late.signal]) : late.signal;
  const state: Progress = {
    behind: `The database of the source "${parts.source}" has not taken the barrier yet.`,
  };
  try {
    options.signal?.throwIfAborted();
    const { source } = parts;
    const written = () => {
      state.behind = `The source "${source}" has not passed the barrier yet: it is not running, or behind.`;
    };
    for (let report = written; ; report = () => {}) {
      const barrier = await parts.barrier(signal, report);
      if (barrier.lsn >= token.lsn) return await follow(parts, { barrier, signal, state });
      state.behind = `The source "${source}" has not got as far as the token: it may be of another database.`;
      await pause(longestPauseMs, undefined, { signal });
    }
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    if (!late.signal.aborted) throw error;
    throw timedOut(parts.view, options.timeoutMs, state.behind);
  } finally {
    clearTimeout(timer);
  }
}

/** What is still waited for, as a sentence. */
interface Progress {
  behind: string;
}

/** Where a hop has to get to. A generation that takes another's place in the middle has to get there as well. */
interface Target {
  readonly hop: string;
  readonly ends: Checkpoint;
  passed: boolean;
}

async function follow(
  parts: WaitParts,
  { barrier, signal, state }: { barrier: PassedBarrier; signal: AbortSignal; state: Progress },
): Promise<Generation> {
  const targets: Target[] = [];
  for (let wait = firstPauseMs; ; wait = Math.min(wait * 1.5, longestPauseMs)) {
    const chain = await untilAborted(parts.chain(), signal);
    if (!chain) state.behind = `The view "${parts.view}" was not built yet.`;
    else if (await untilAborted(hasPassed(chain, targets), signal)) return chain.generation;
    await pause(wait, undefined, { signal });
  }

  async function hasPassed({ hops }: Chain, known: Target[]): Promise<boolean> {
    for (const [i, hop] of hops.entries()) {
      const name = `${hop.generation.view.name}/${hop.generation.id}/${hop.input}`;
      if (known[i]?.hop !== name) {
        // What comes after it is made from what it makes, so it has to be looked at again.
        known.splice(i);
        const ends = i === 0 ? endsOf(barrier.ends, hop.input, parts) : await parts.ends(hop.input);
        known.push({ hop: name, ends, passed: false });
      }
      const target = known[i]!;
      if (!target.passed) {
        const missing = recordsMissing(target.ends, await hop.generation.checkpoint());
        target.passed = missing === 0;
        if (missing > 0) {
          state.behind = behind(hop, missing, hops.slice(i + 1));
          return false;
        }
      }
    }
    return true;
  }
}

/** Of a topic that is not there nothing was written yet, but a topic of another source says nothing. */
function endsOf(ends: Checkpoint, topic: string, parts: WaitParts): Checkpoint {
  if (!topic.startsWith(`${parts.source}.`))
    throw wrongSource(parts.view, parts.source, topic.slice(0, topic.indexOf('.')));
  return new Map([...ends].filter(([key]) => key.slice(0, key.lastIndexOf('/')) === topic));
}

function recordsMissing(ends: ReadonlyMap<PartitionKey, Offset>, checkpoint: Checkpoint): number {
  let missing = 0;
  for (const [key, end] of ends) missing += Math.max(0, end - (checkpoint.get(key) ?? 0));
  return missing;
}

function behind(hop: Hop, missing: number, later: readonly Hop[]): string {
  const { view, id } = hop.generation;
  const records = missing === 1 ? '1 record' : `${missing} records`;
  const after = later.map((l) => `"${l.generation.view.name}"`).join(', ');
  return `Generation ${id} of "${view.name}" is ${records} behind on ${hop.input}${after ? `, and ${after} come after it` : ''}.`;
}

function timedOut(view: string, timeoutMs: number, state: string): InsideoutError {
  return new InsideoutError(
    'READ_TIMEOUT',
    `The view "${view}" did not reach the consistency token within ${timeoutMs} ms. ${state}`,
    { hint: 'Read again or wait longer; `insideout status` shows what is running and how far it is.' },
  );
}

function wrongSource(view: string, given: string, needed: string): InsideoutError {
  return new InsideoutError(
    'USAGE',
    `The consistency token is of the source "${given}", but the view "${view}" is fed by "${needed}".`,
    { hint: 'Hand on the token of the source that the view reads from.' },
  );
}
