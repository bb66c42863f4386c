/** Numbers of bytes as people write and read them. */
import { UserError } from '../base/errors.ts';

const UNITS = ['', 'K', 'M', 'G', 'T'] as const;
const SECTOR = 512;

/** `10G`, `1440K`, `512`: a multiple of a sector. @throws UserError that names the option */
export function parseByteSize(option: string, text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text) ?? [];
  const bytes = digits === undefined ? Number.NaN : Number(digits) * 1024 ** UNITS.indexOf(unit!.toUpperCase() as 'K');
  if (Number.isSafeInteger(bytes) && bytes > 0 && bytes % SECTOR === 0) return bytes;
  throw new UserError(`${option} must be a multiple of 512 bytes, as in 10G, 1440K or 1474560, not ${text}`);
}

/** `1.5 GiB`, and the exact number where that is rounded. */
export function showByteSize(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** power;
  const short = `${amount.toLocaleString('en', { maximumFractionDigits: 1 })} ${UNITS[power]}${power > 0 ? 'iB' : 'bytes'}`;
  const exact = power === 0 || Number.isInteger(amount * 10);
  return exact ? short : `${short} (${bytes.toLocaleString('en')} bytes)`;
}
