import { readdirSync, readFileSync } from 'node:fs';

/** What a process and its descendants have used so far, and hold. */
export interface Usage {
  readonly cpuSeconds: number;
  /** The most that each held at any time, summed. */
  readonly peakRssMb: number;
}

/** Clock ticks a second in /proc, which is 100 on every Linux that Node runs on. */
const ticks = 100;

/** Parent and CPU seconds of a `/proc/<pid>/stat` line; the name in it may hold blanks and brackets. */
export function parseStat(stat: string): { parent: number; cpuSeconds: number } {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // proc_pid_stat(5): ppid is field 4, utime and stime are fields 14 and 15; state, field 3, comes first here.
  return { parent: Number(fields[1]), cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticks };
}

/** Peak resident megabytes of a `/proc/<pid>/status`; 0 for a process that has ended. */
export function parsePeakRss(status: string): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
}

/** Of the process and all its descendants that are alive; null when the process itself is gone. */
export function treeUsage(root: number): Usage | null {
  const processes = new Map<number, { parent: number; cpuSeconds: number }>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    if (stat !== null) processes.set(Number(name), parseStat(stat));
  }
  if (!processes.has(root)) return null;
  let cpuSeconds = 0;
  let peakRssMb = 0;
  for (const [pid, own] of processes) {
    if (!descends(pid, root, processes)) continue;
    cpuSeconds += own.cpuSeconds;
    peakRssMb += parsePeakRss(read(`/proc/${pid}/status`) ?? '');
  }
  return { cpuSeconds, peakRssMb };
}

function descends(pid: number, root: number, processes: ReadonlyMap<number, { parent: number }>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 0; at = processes.get(at)?.parent)
    if (at === root) return true;
  return false;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
