import type { Finding } from '../source.ts';

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
