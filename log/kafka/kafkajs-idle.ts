import { createRequire } from 'node:module';

/** Of kafkajs 2.2.4's queue of requests, one for each connection, what its look at waiting requests uses. */
interface RequestQueue {
  readonly pending: readonly unknown[];
  /** Milliseconds since 1970; in the past when the broker asked for no pause. */
  readonly throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
}

/** An answer looks at them as well, so this is for a broker that asked for a pause. */
const lookAgainMs = 10;

/**
 * Once a connection has had its first answer, kafkajs looks for waiting requests every millisecond for as long as
 * it is open, whether there are any or not: 3% of a core for a process that does nothing. With this it looks when
 * something waits. For all clients of the process.
 * RequestQueue#scheduleCheckPendingRequests in https://github.com/tulios/kafkajs/blob/v2.2.4/src/network/requestQueue/index.js
 */
export function lookOnlyWhenRequestsWait(): void {
  const queue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue/index.js') as {
    prototype: RequestQueue;
  };
  queue.prototype.scheduleCheckPendingRequests = function () {
    if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return;
    const pauseMs = Math.max(lookAgainMs, this.throttledUntil - Date.now());
    this.throttleCheckTimeoutId = setTimeout(() => {
      this.throttleCheckTimeoutId = null;
      this.checkPendingRequests();
    }, pauseMs);
  };
}
