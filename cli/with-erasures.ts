import type { CheckedConfig } from '../daemon/config/check.ts';
import { Erasures } from '../daemon/erasures.ts';
import { shutdownSignal } from '../daemon/shutdown.ts';
import { reportInterrupted } from './output.ts';

/**
 * Works on erasures, and closes them however that ends. An interruption is told, with the lines of `left`, which is
 * given how many events the journal had before.
 */
export async function withErasures(
  config: CheckedConfig,
  work: (erasures: Erasures, signal: AbortSignal) => Promise<void>,
  left: (erasures: Erasures, before: number) => readonly string[] = () => [],
): Promise<void> {
  const { signal, dispose } = shutdownSignal();
  const erasures = await Erasures.open(config);
  const before = erasures.journal.state.events.length;
  try {
    await work(erasures, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    const lines = [
      'what is done stays done, and the same command goes on with it.',
      ...left(erasures, before),
    ];
    reportInterrupted(lines.join('\n'));
  } finally {
    await erasures.close();
    dispose();
  }
}
