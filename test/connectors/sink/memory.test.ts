import { openMemoryStore } from '../../../connectors/sink/memory/memory-store.ts';
import { viewStoreConformance } from '../../conformance/view-store.ts';
import { fakeClock, viewStoreTtlConformance } from '../../conformance/view-store-ttl.ts';

viewStoreTtlConformance('memory', async (now) => openMemoryStore({ now }), fakeClock());
viewStoreConformance('memory', async () => openMemoryStore(), { runs: 100 });
