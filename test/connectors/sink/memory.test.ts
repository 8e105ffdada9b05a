import { openMemoryStore } from '../../../connectors/sink/memory/memory-store.ts';
import { viewStoreConformance } from '../../conformance/view-store.ts';

viewStoreConformance('memory', async () => openMemoryStore(), { runs: 100 });
