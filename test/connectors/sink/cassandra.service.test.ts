import { openCassandraStore } from '../../../connectors/sink/cassandra/cassandra-store.ts';
import { viewStoreConformance } from '../../conformance/view-store.ts';
import { servers, uniqueName } from '../../support/servers.ts';

const { contactPoint, dataCenter } = servers().cassandra;
const keyspace = uniqueName('sink');
const open = () => openCassandraStore({ contactPoints: [contactPoint], dataCenter, keyspace });

viewStoreConformance('Cassandra', open, { runs: 10 });
