import { startStack, stopStack } from '../../stack/stack.ts';

/** Brings up the servers that the service tests need, and stops those that were not running before. */
export default async function setup(): Promise<() => Promise<void>> {
  const started = await startStack();
  return async () => {
    await stopStack(started);
  };
}
