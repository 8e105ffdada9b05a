import { parseSubject } from '../../deletes/subject.ts';
import { dependencyProblems, upstreamOf } from '../../materializer/dependencies.ts';
import { viewProblems } from '../../materializer/view-definition.ts';
import type { KnownParts, KnownView } from './known-parts.ts';
import type { Problem } from './sentences.ts';

/**
 * What is wrong between the parts of a config, and in what they mean. Of a part that is not wholly understood too;
 * problems that follow from that lie at, above or below what was not understood.
 */
export function crossCheck(parts: KnownParts): Problem[] {
  return [
    ...viewsAlone(parts),
    ...viewsTogether(parts.views),
    ...subjects(parts),
    ...slots(parts),
    ...retention(parts),
  ];
}

function viewsAlone({ views, stores, sources }: KnownParts): Problem[] {
  const problems: Problem[] = [];
  const names = new Set<string>();
  views.forEach(({ name, store, from, declared, extent }, i) => {
    const say = (path: readonly string[], message: string) =>
      problems.push({ path: ['views', i, ...path], message });
    for (const { path, message } of viewProblems(declared))
      if (answerable(path[0], extent)) say(path, message);
    if (name !== undefined && names.has(name)) say(['name'], `"${name}" is used twice`);
    if (name !== undefined) names.add(name);
    if (store !== undefined && stores && !stores.has(store))
      say(['store'], `there is no store "${store}"; ${known(stores)}`);
    if (typeof from !== 'string') return;
    const [sourceName = '', ...rest] = from.split('.');
    const tables = sources?.get(sourceName)?.tables;
    const table = rest.join('.');
    if (tables && !tables.some((t) => t === table || /[^A-Za-z0-9_.]/.test(t)))
      say(['from'], `its source does not capture ${table}; ${known(tables)}`);
  });
  return problems;
}

/** Whether what was asked of a setting of a view has an answer, as far as the view was understood. */
const answerable = (setting: string | undefined, extent: KnownView['extent']): boolean =>
  extent === 'whole' || setting === 'name' || (extent === 'partly' && setting !== 'reads');

function viewsTogether(views: readonly KnownView[]): Problem[] {
  const named = views.flatMap((view, i) => (view.name === undefined ? [] : [{ view, i }]));
  const whole = new Set(views.filter((view) => view.extent === 'whole').map((view) => view.name));
  return dependencyProblems(named.map(({ view }) => view.declared)).flatMap(({ index, path, message }) => {
    const { view, i } = named[index]!;
    // What is asked of columns and keys has an answer only when both sides are understood.
    if (path !== 'from' && !(whole.has(view.name) && whole.has(upstreamOf(view.declared.from) ?? '')))
      return [];
    return [{ path: ['views', i, path], message }];
  });
}

function subjects({ subjects, sources }: KnownParts): Problem[] {
  const problems: Problem[] = [];
  for (const [name, { source, is, anonymise }] of subjects) {
    if (source !== undefined && sources && !sources.has(source))
      problems.push({
        path: ['subjects', name, 'source'],
        message: `there is no source "${source}"; ${known(sources.keys())}`,
      });
    if (!is) continue;
    for (const { path, message } of parseSubject(name, { source: source ?? '', is, anonymise }).problems)
      problems.push({ path: ['subjects', name, path], message });
  }
  return problems;
}

function slots({ sources }: KnownParts): Problem[] {
  const problems: Problem[] = [];
  const owners = new Map<string, string>();
  for (const [name, { url, slot }] of sources ?? []) {
    if (url === undefined || slot === undefined) continue;
    const key = `${url} ${slot}`;
    const other = owners.get(key);
    if (other !== undefined)
      problems.push({
        path: ['sources', name, 'slot'],
        message: `is the slot of "${other}" as well; each source needs its own`,
      });
    owners.set(key, name);
  }
  return problems;
}

function retention({ sources }: KnownParts): Problem[] {
  return [...(sources ?? [])].flatMap(([name, { tables, retention = {} }]) =>
    Object.keys(retention)
      .filter((table) => tables && !tables.includes(table))
      .map((table) => ({
        path: ['sources', name, 'retention', table],
        message: `its source does not capture ${table}; ${known(tables!)}`,
      })),
  );
}

function known(names: Iterable<string>): string {
  const list = [...names];
  return list.length === 0 ? 'none is configured' : `known: ${list.join(', ')}`;
}
