/** What the BIOS keeps outside guest memory, as plain data. */
import type { Memo } from './service.ts';

export const powerOnState = () => ({
  /** Calls that wait, by the address of their frame, the oldest first. */
  calls: [] as { place: number; memo: Memo | undefined }[],
  /** What INT 19h tries next, and what has come of the drives before; `goesOn`: INT 18h has asked it to. */
  boot: { next: 0, tried: [] as string[], goesOn: false },
});

export type BiosState = ReturnType<typeof powerOnState>;
