import { InsideoutError } from '../core/errors.ts';

/** What everything is refused with once the Log was closed. */
export function closed(): InsideoutError {
  return new InsideoutError('LOG_CLOSED', 'The Log was closed.', { hint: 'Open it again.' });
}
