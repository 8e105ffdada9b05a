import type { Admin, ITopicConfig } from 'kafkajs';
import { eventually } from './eventually.ts';

/** Creates a topic with settings of its own. kafkajs, asked to wait for it, ends with an error when a broker does not know it yet. */
export async function createTopic(admin: Admin, topic: ITopicConfig): Promise<void> {
  await admin.createTopics({ topics: [topic], waitForLeaders: false });
  await eventually('the topic has its leaders', async () => {
    const found = await admin.fetchTopicMetadata({ topics: [topic.topic] }).catch(() => null);
    return found?.topics[0]?.partitions.every(({ leader }) => leader >= 0) === true;
  });
}
