import { openKafkaLog } from '../../../log/kafka/kafka-log.ts';
import { logConformance } from '../../conformance/log.ts';
import { fencesConformance } from '../../conformance/log-fences.ts';
import { servers } from '../../support/servers.ts';

const { kafka, registry } = servers();

const open = () => openKafkaLog({ brokers: [kafka], registry: { url: registry } });
logConformance('Kafka', open, { patience: 20_000 });
fencesConformance('Kafka', open, { patience: 20_000 });
