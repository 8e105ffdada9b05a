import { runSnapshot, topicOf } from '../ours/source.ts';
import type { Servers } from '../servers.ts';
import { createOrders } from './orders.ts';
import { Topics } from './topics.ts';

/** A topic with a record for each row, written by our own source, made once for all runs of a case. */
export class OrdersTopic {
  #made: Promise<string> | null = null;

  make(options: { servers: Servers; records: number; say(what: string): void }): Promise<string> {
    this.#made ??= make(options);
    return this.#made;
  }
}

async function make(options: {
  servers: Servers;
  records: number;
  say(what: string): void;
}): Promise<string> {
  const { servers, records, say } = options;
  const { url } = servers.postgres;
  say(`making a topic of ${records} records`);
  await createOrders(url, records);
  const topics = await Topics.open();
  await runSnapshot({ name: 'shop', url, records, topics, profile: null });
  await topics.close();
  return topicOf('shop');
}
