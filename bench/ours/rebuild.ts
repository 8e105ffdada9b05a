import { countUntil, type Measured } from '../measure/counted.ts';
import { Workplace } from './daemon.ts';
import { checkpointOf, type ViewRun, viewConfig, viewName } from './view.ts';

/**
 * Builds the view once, unmeasured, for readers to see; then anew beside it, from the start of the process until
 * the new generation's checkpoint is at the topic's end, and until it was promoted and the process has ended.
 */
export async function runRebuild(run: ViewRun): Promise<{ measured: Measured; promotedSeconds: number }> {
  const blue = new Workplace(viewConfig(run), { profile: null });
  const store = await run.open();
  const first = blue.start('view', 'run', '--http-port', 'off');
  const active = checkpointOf(store, () => store.active(viewName));
  await countUntil({ ...first, count: active, target: run.records });
  await first.stop();
  blue.remove();
  const [before] = await store.generations(viewName);
  const place = new Workplace(viewConfig(run), { profile: run.profile });
  const process = place.start('rebuild', viewName, '--promote');
  const staged = async () => (await store.generations(viewName)).find((id) => id !== before) ?? null;
  const measured = await countUntil({ ...process, count: checkpointOf(store, staged), target: run.records });
  await process.ended();
  const promotedSeconds = (performance.now() - process.startedAt) / 1000;
  await store.close();
  place.remove();
  return { measured, promotedSeconds };
}
