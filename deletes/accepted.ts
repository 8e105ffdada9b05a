import { isInsideoutError } from '../core/errors.ts';

/** What was recorded; false when it was refused, because another process was faster with what it cannot follow. */
export async function accepted(recorded: Promise<unknown>): Promise<boolean> {
  try {
    await recorded;
    return true;
  } catch (error) {
    if (isInsideoutError(error, 'CATALOG_CONFLICT')) return false;
    throw error;
  }
}
