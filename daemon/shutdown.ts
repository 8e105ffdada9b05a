/** How long a drain may take. */
const drainMs = 10_000;

/**
 * SIGTERM and SIGINT abort the returned signal, so that everything drains; a second one, or ten seconds, end the
 * process at once. Nothing is lost then either, since positions are kept with the data.
 */
export function shutdownSignal(onSignal: (name: string) => void = () => {}): {
  signal: AbortSignal;
  dispose(): void;
} {
  const controller = new AbortController();
  const handle = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(1);
    onSignal(name);
    controller.abort();
    setTimeout(() => process.exit(1), drainMs).unref();
  };
  process.on('SIGTERM', handle);
  process.on('SIGINT', handle);
  return {
    signal: controller.signal,
    dispose: () => {
      process.off('SIGTERM', handle);
      process.off('SIGINT', handle);
    },
  };
}
