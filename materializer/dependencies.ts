import { InsideoutError } from '../core/errors.ts';
import { keyMap, type ViewDeclaration, type ViewDefinition, type ViewInput } from './view-definition.ts';

/** The view that feeds a view; null when a topic does. */
export const upstreamOf = (from: ViewInput): string | null => (typeof from === 'string' ? null : from.view);

/** The views with those that others read marked as published, every view behind the one that feeds it. */
export function inOrder(views: readonly ViewDefinition[]): ViewDefinition[] {
  const read = new Set(views.map((v) => upstreamOf(v.from)));
  const marked = views.map((v) => (read.has(v.shape.name) ? { ...v, published: true } : v));
  const depth = new Map(marked.map((v) => [v.shape.name, depthOf(v, marked)]));
  return marked.sort((a, b) => depth.get(a.shape.name)! - depth.get(b.shape.name)!);
}

function depthOf(view: ViewDefinition, views: readonly ViewDefinition[]): number {
  let depth = 0;
  for (let at: ViewDefinition | undefined = view; at; depth++) {
    const upstream = upstreamOf(at.from);
    at = upstream === null ? undefined : views.find((v) => v.shape.name === upstream);
  }
  return depth;
}

/** The view and every view that is fed by it, over however many others; in order. */
export function closureOf(views: readonly ViewDefinition[], name: string): ViewDefinition[] {
  const names = new Set([name]);
  const closure: ViewDefinition[] = [];
  for (const view of inOrder(views)) {
    const upstream = upstreamOf(view.from);
    if (view.shape.name !== name && (upstream === null || !names.has(upstream))) continue;
    names.add(view.shape.name);
    closure.push(view);
  }
  return closure;
}

/** The topics of sources that feed a view, at the end of its chain of views: always one. */
export function rootTopic(views: readonly ViewDefinition[], view: ViewDefinition): string {
  let at = view;
  for (let steps = 0; steps <= views.length; steps++) {
    if (typeof at.from === 'string') return at.from;
    const { view: upstream } = at.from;
    const next = views.find((v) => v.shape.name === upstream);
    if (!next) break;
    at = next;
  }
  throw new InsideoutError('CONFIG_INVALID', `Nothing feeds the view "${view.shape.name}".`, {
    hint: 'Its chain of views must end at a topic.',
  });
}

/** What is wrong with how the views feed one another, as index, path and sentence. */
export function dependencyProblems(
  views: readonly ViewDeclaration[],
): { index: number; path: string; message: string }[] {
  const problems: { index: number; path: string; message: string }[] = [];
  const named = new Map(views.map((v) => [v.name, v]));
  views.forEach((view, index) => {
    const name = upstreamOf(view.from);
    if (name === null) return;
    const say = (path: string, message: string) => problems.push({ index, path, message });
    const upstream = named.get(name);
    if (!upstream) {
      say('from', `there is no view "${name}"; known: ${[...named.keys()].join(', ')}`);
      return;
    }
    const cycle = cycleFrom(view, named);
    if (cycle) {
      say('from', `is a cycle: ${cycle.join(' reads ')}; let one of them read a topic`);
      return;
    }
    for (const [column, type] of Object.entries(view.reads ?? view.columns)) {
      const source = view.reads ? column : (keyMap(view)[column] ?? column);
      const found = upstream.columns[source];
      if (found !== type)
        say(
          view.reads ? 'reads' : 'columns',
          found === undefined
            ? `the view "${name}" has no column "${source}"; known: ${Object.keys(upstream.columns).join(', ')}`
            : `"${source}" is ${found} in the view "${name}", not ${type}`,
        );
    }
    const wanted = Object.keys(keyMap(upstream)).sort().join(', ');
    if (Object.values(keyMap(view)).sort().join(', ') !== wanted)
      say('key', `must be made of the key of the view "${name}": ${wanted}`);
  });
  return problems;
}

function cycleFrom(view: ViewDeclaration, named: ReadonlyMap<string, ViewDeclaration>): string[] | null {
  const path = [view.name];
  for (let at: ViewDeclaration | undefined = view; at; ) {
    const upstream = upstreamOf(at.from);
    if (upstream === null) return null;
    path.push(upstream);
    if (path.indexOf(upstream) < path.length - 1) return path;
    at = named.get(upstream);
  }
  return null;
}
