import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What V8 writes: https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

export interface TimeShare {
  readonly name: string;
  readonly ms: number;
  /** Of all the time that was not idle. */
  readonly share: number;
}

/** Functions by the time spent in themselves, most first; idle time is left out. */
export const selfTimes = (profile: CpuProfile): TimeShare[] => sum(profile, (node) => functionName(node));

/** Packages and top folders by the time spent in them; what is built into Node counts for whoever called it. */
export function packageTimes(profile: CpuProfile): TimeShare[] {
  const parents = new Map<number, ProfileNode>();
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node);
  return sum(profile, (node) => {
    for (let at: ProfileNode | undefined = node; at; at = parents.get(at.id)) {
      const found = packageOf(at);
      if (found) return found;
    }
    return 'node';
  });
}

function sum(profile: CpuProfile, nameOf: (node: ProfileNode) => string): TimeShare[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const micros = new Map<string, number>();
  let busy = 0;
  profile.samples.forEach((id, i) => {
    const node = nodes.get(id);
    if (!node || node.callFrame.functionName === '(idle)') return;
    const delta = profile.timeDeltas[i] ?? 0;
    busy += delta;
    const name = nameOf(node);
    micros.set(name, (micros.get(name) ?? 0) + delta);
  });
  return [...micros]
    .map(([name, time]) => ({ name, ms: time / 1000, share: time / busy }))
    .sort((a, b) => b.ms - a.ms);
}

function functionName({ callFrame }: ProfileNode): string {
  const name = callFrame.functionName || '(anonymous)';
  if (callFrame.url === '') return name;
  return `${name} ${shortUrl(callFrame.url)}:${callFrame.lineNumber + 1}`;
}

function packageOf({ callFrame }: ProfileNode): string | null {
  const { url, functionName: name } = callFrame;
  if (name === '(garbage collector)' || name === '(program)') return name;
  if (url === '' || url.startsWith('node:')) return null;
  const parts = shortUrl(url).split('/');
  return parts[0]!.startsWith('@') ? `${parts[0]}/${parts[1]}` : parts[0]!;
}

/** From the package, or from the folder of the build. */
const shortUrl = (url: string): string =>
  url.includes('/node_modules/') ? url.replace(/^.*\/node_modules\//, '') : url.replace(/^.*?\/dist\//, '');

/** The longest profile of a folder as text. */
export function profileSummary(folder: string, functions: number): string {
  const profiles = readdirSync(folder)
    .filter((file) => file.endsWith('.cpuprofile'))
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile);
  const longest = profiles.sort((a, b) => b.samples.length - a.samples.length)[0];
  if (!longest) return 'no profile was written';
  const own = selfTimes(longest);
  const busy = own.reduce((total, { ms }) => total + ms, 0);
  return [
    `busy ${busy.toFixed(0)} ms; functions by the time in themselves:`,
    ...own.slice(0, functions).map(line),
    'packages and folders, with what they called in Node itself:',
    ...packageTimes(longest).slice(0, functions).map(line),
  ].join('\n');
}

const line = ({ name, ms, share }: TimeShare): string =>
  `${(share * 100).toFixed(1).padStart(5)}% ${ms.toFixed(0).padStart(7)} ms  ${name}`;
