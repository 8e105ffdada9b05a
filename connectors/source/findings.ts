import type { InsideoutError } from '../../core/errors.ts';
import type { Finding } from './source.ts';

export const fine = (check: string, message: string): Finding => ({
  check,
  ok: true,
  severity: 'info',
  message,
  mend: null,
});
export const warning = (check: string, message: string, mend: string): Finding => ({
  check,
  ok: false,
  severity: 'warning',
  message,
  mend,
});
export const error = (check: string, message: string, mend: string): Finding => ({
  check,
  ok: false,
  severity: 'error',
  message,
  mend,
});
/** An error that looking met, with its own mend. */
export const failed = (check: string, met: InsideoutError): Finding => error(check, met.message, met.hint);
