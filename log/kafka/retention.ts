import type { Admin } from 'kafkajs';
import type { TopicSpec } from '../log.ts';
import { type OwnSettings, readOwnSettings, sameSettings, writeOwnSettings } from './topic-settings.ts';
import { cleaningSettings } from './topics.ts';

/**
 * Has compacted topics that exist forget what is older than they are told to; those that are told nothing stay as they
 * are. Kafka does so by whole segments, and begins one when the last is older than segment.ms.
 */
export async function keepRetention(admin: Admin, specs: readonly TopicSpec[]): Promise<void> {
  const told = new Map(
    specs.filter((s) => s.cleanup === 'compact' && s.retentionMs !== undefined).map((s) => [s.name, s]),
  );
  const changes = new Map<string, OwnSettings>();
  for (const [name, own] of await readOwnSettings(admin, [...told.keys()])) {
    const wanted = new Map([...own, ...Object.entries(cleaningSettings(told.get(name)!))]);
    if (!sameSettings(own, wanted)) changes.set(name, wanted);
  }
  await writeOwnSettings(admin, changes);
}
