import { openCassandraStore } from '../../../connectors/sink/cassandra/cassandra-store.ts';
import { viewStoreConformance } from '../../conformance/view-store.ts';
import { servers, uniqueName } from '../../support/servers.ts';

const { contactPoint, dataCenter } = servers().cassandra;

viewStoreConformance(
  'Cassandra',
  () =>
    openCassandraStore({
      contactPoints: [contactPoint],
      dataCenter,
      keyspace: uniqueName('views').slice(0, 40),
    }),
  { runs: 5 },
);
