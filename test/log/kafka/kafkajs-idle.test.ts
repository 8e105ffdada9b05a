import { createRequire } from 'node:module';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { lookOnlyWhenRequestsWait } from '../../../log/kafka/kafkajs-idle.ts';

interface Queue {
  push(request: {
    entry: { correlationId: number; resolve(): void; reject(): void };
    expectResponse: boolean;
    sendRequest(): void;
  }): void;
  fulfillRequest(response: { correlationId: number; payload: Buffer; size: number }): void;
  maybeThrottle(ms: number): void;
}

const RequestQueue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue/index.js') as new (
  options: object,
) => Queue;

const nothing = () => {};

function queue() {
  const sent: number[] = [];
  const made = new RequestQueue({
    maxInFlightRequests: 1,
    requestTimeout: 30_000,
    enforceRequestTimeout: false,
    logger: { debug: nothing, warn: nothing },
  });
  return {
    sent,
    throttle: (ms: number) => made.maybeThrottle(ms),
    push: (correlationId: number) =>
      made.push({
        entry: { correlationId, resolve: nothing, reject: nothing },
        expectResponse: true,
        sendRequest: () => sent.push(correlationId),
      }),
    answer: (correlationId: number) =>
      made.fulfillRequest({ correlationId, payload: Buffer.alloc(0), size: 0 }),
  };
}

beforeEach(() => {
  lookOnlyWhenRequestsWait();
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a connection that has nothing to send keeps no timer', () => {
  const { push, answer, sent } = queue();
  push(1);
  answer(1);
  expect(sent).toEqual([1]);
  expect(vi.getTimerCount()).toBe(0);
});

test('what waits for an answer leaves with it, and no timer is left', async () => {
  const { push, answer, sent } = queue();
  push(1);
  push(2);
  expect(sent).toEqual([1]);
  answer(1);
  expect(sent).toEqual([1, 2]);
  answer(2);
  await vi.advanceTimersByTimeAsync(10);
  expect(vi.getTimerCount()).toBe(0);
});

test('what a broker made wait leaves when its pause is over, without another answer', async () => {
  const { push, throttle, sent } = queue();
  throttle(500);
  push(1);
  await vi.advanceTimersByTimeAsync(499);
  expect(sent).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(sent).toEqual([1]);
});
