import type { Finding } from '../connectors/source/source.ts';

/** A finding as a line, with its mend below. */
export function findingLine(f: Finding): string {
  const mark = f.severity === 'error' ? 'fail' : f.severity === 'warning' ? 'warn' : 'ok  ';
  return `${mark}  ${f.check}: ${f.message}${f.mend ? `\n      mend: ${f.mend}` : ''}`;
}
