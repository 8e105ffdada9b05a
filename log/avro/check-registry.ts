import { isInsideoutError } from '../../core/errors.ts';
import type { SchemaRegistry } from './schema-registry.ts';

/** An id that is hardly given to any schema: what matters is that a registry says so, and nothing else does. */
const unlikelyId = 2_147_483_647;

/** Resolves when the registry answers; nothing is registered. Errors: `SCHEMA_UNREACHABLE`, `SCHEMA_REGISTRY`. */
export async function checkRegistry(schemas: SchemaRegistry): Promise<void> {
  try {
    await schemas.schema(unlikelyId);
  } catch (error) {
    if (!isInsideoutError(error, 'SCHEMA_UNKNOWN')) throw error;
  }
}
