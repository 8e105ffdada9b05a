import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import { logConformance } from '../../conformance/log.ts';
import { servers } from '../../support/servers.ts';

const { kafka, registry } = servers();

logConformance('Kafka', () => openKafkaLog({ brokers: [kafka], registry: { url: registry } }), {
  patience: 20_000,
});
