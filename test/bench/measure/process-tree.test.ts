import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { parsePeakRss, parseStat, treeUsage } from '../../../bench/measure/process-tree.ts';

test('a process name with blanks and brackets does not move the fields of its stat line', () => {
  const stat = `4242 (a) (b c)) S 17 4242 4242 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 11 0 1 2 3`;
  expect(parseStat(stat)).toEqual({ parent: 17, cpuSeconds: 3 });
});

test('the peak is read in megabytes, and is nothing for a process that has ended', () => {
  expect(parsePeakRss('Name:\tnode\nVmHWM:\t  204800 kB\nVmRSS:\t 1024 kB\n')).toBe(200);
  expect(parsePeakRss('Name:\tnode\nState:\tZ (zombie)\n')).toBe(0);
});

test.runIf(process.platform === 'linux')(
  'what a child of the process uses counts, and a process that is gone has no usage',
  async () => {
    const busy = 'while (process.cpuUsage().user < 3e5); console.log("done"); process.stdin.resume();';
    const child = spawn('sh', ['-c', `"${process.execPath}" -e '${busy}'; true`], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    await once(child.stdout, 'data');
    const usage = treeUsage(child.pid!);
    child.stdin.end();
    await once(child, 'exit');
    expect(usage?.cpuSeconds).toBeGreaterThan(0.2);
    expect(usage?.peakRssMb).toBeGreaterThan(20);
    expect(treeUsage(child.pid!)).toBeNull();
  },
);
