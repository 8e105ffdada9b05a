import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface SelfTime {
  readonly function: string;
  /** Milliseconds in the function itself, without what it calls. */
  readonly ms: number;
  /** Of all samples that were not idle. */
  readonly share: number;
}

/** Functions by the time spent in themselves, most first; idle time is left out. */
export function selfTimes(profile: CpuProfile): SelfTime[] {
  const names = new Map(profile.nodes.map((node) => [node.id, nameOf(node.callFrame)]));
  const micros = new Map<string, number>();
  let busy = 0;
  profile.samples.forEach((id, i) => {
    const name = names.get(id) ?? '?';
    if (name === '(idle)') return;
    const delta = profile.timeDeltas[i] ?? 0;
    busy += delta;
    micros.set(name, (micros.get(name) ?? 0) + delta);
  });
  return [...micros]
    .map(([name, time]) => ({ function: name, ms: time / 1000, share: time / busy }))
    .sort((a, b) => b.ms - a.ms);
}

function nameOf(frame: CpuProfile['nodes'][number]['callFrame']): string {
  const name = frame.functionName || '(anonymous)';
  if (frame.url === '') return name;
  const file = frame.url.replace(/^.*\/(node_modules|dist)\//, '');
  return `${name} ${file}:${frame.lineNumber + 1}`;
}

/** The longest profile of a folder as text. */
export function profileSummary(folder: string, functions: number): string {
  const profiles = readdirSync(folder)
    .filter((file) => file.endsWith('.cpuprofile'))
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile);
  const longest = profiles.sort((a, b) => b.samples.length - a.samples.length)[0];
  if (!longest) return 'no profile was written';
  const times = selfTimes(longest);
  const total = times.reduce((sum, { ms }) => sum + ms, 0);
  const lines = times
    .slice(0, functions)
    .map(
      (t) => `${(t.share * 100).toFixed(1).padStart(5)}% ${t.ms.toFixed(0).padStart(7)} ms  ${t.function}`,
    );
  return [`busy ${total.toFixed(0)} ms`, ...lines].join('\n');
}
