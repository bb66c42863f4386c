import { GuestFault } from '../cpu/fault.ts';
import { FLAG_HELPERS } from '../cpu/flag-helpers.ts';
import type { Helper } from '../cpu/helpers.ts';
import { SEGMENT_HELPERS } from '../cpu/segment-helpers.ts';
import { SYSTEM_HELPERS } from '../cpu/system-helpers.ts';

const unready = (): never => {
  throw new GuestFault({ vector: 255, cause: { check: 'no helper yet' } });
};
const known = { ...FLAG_HELPERS, ...SYSTEM_HELPERS, ...SEGMENT_HELPERS } as unknown as Record<string, Helper>;
export const HELPERS = new Proxy(known, { get: (t, k: string) => t[k] ?? unready });
