import { startStack, stopStack } from '../../stack/stack.ts';

/** Brings up the servers that the service tests need, and stops them if they were not running before. */
export default async function setup(): Promise<() => Promise<void>> {
  const started = await startStack();
  return async () => {
    if (started) await stopStack();
  };
}
