/** The mode pages of a CD-ROM drive: SFF-8020i, 10.8.5; MMC-4, clause 7. Nothing can be changed or saved. */
import { bigEndian } from './cd-answers.ts';

/** KB/s that are told: 50×. Nothing depends on them. */
const SPEED = 8820;
const BUFFER_KIB = 128;

/** What the page code 3Fh stands for: all. */
export const ALL_PAGES = 0x3f;
/** What is asked about: values that hold, that can be changed, after power-on, that were saved. */
export const PAGE_CONTROL = { CURRENT: 0, CHANGEABLE: 1, DEFAULT: 2, SAVED: 3 } as const;

const PAGES: readonly { readonly code: number; data(state: { locked: boolean }): number[] }[] = [
  { code: 0x01, data: () => [0x00, 5, 0, 0, 0, 0] }, // read error recovery: five retries
  { code: 0x0d, data: () => [0, 0x0d, ...bigEndian(60, 2), ...bigEndian(75, 2)] }, // CD-ROM: seconds, frames
  { code: 0x0e, data: () => [0x04, 0, 0, 0, ...bigEndian(75, 2), 1, 0xff, 2, 0xff, 0, 0, 0, 0] }, // audio control
  {
    code: 0x2a, // capabilities and mechanical status
    data: ({ locked }) => [
      ...[0x1f, 0x00], // reads CD-R, CD-RW, method 2, DVD-ROM, DVD-R
      ...[0x70, 0x00, 0x29 | (locked ? 0x02 : 0), 0x00], // mode 2, sessions; tray loader, eject, lock
      ...[...bigEndian(SPEED, 2), ...bigEndian(2, 2), ...bigEndian(BUFFER_KIB, 2), ...bigEndian(SPEED, 2)],
      ...[0, 0, 0, 0],
    ],
  },
];

/** Headers of MODE SENSE(6) and (10) differ. The medium type tells of the disc. Undefined if there is no such page. */
export function modeSense(options: {
  readonly page: number;
  readonly control: number;
  readonly header: 6 | 10;
  readonly mediumType: number;
  readonly locked: boolean;
}): Uint8Array | undefined {
  const { page, control, header, mediumType } = options;
  const pages = PAGES.filter(({ code }) => page === ALL_PAGES || code === page);
  if (pages.length === 0) return undefined;
  const body = pages.flatMap(({ code, data }) => {
    const values = data(options);
    return [code, values.length, ...(control === PAGE_CONTROL.CHANGEABLE ? values.map(() => 0) : values)];
  });
  if (header === 6) return Uint8Array.from([body.length + 3, mediumType, 0, 0, ...body]);
  return Uint8Array.from([...bigEndian(body.length + 6, 2), mediumType, 0, 0, 0, 0, 0, ...body]);
}

/** Medium types of SFF-8020i: 120 mm data disc, door closed, no disc; door open. */
export const MEDIUM_TYPE = { DATA_DISC: 0x01, NO_DISC: 0x70, DOOR_OPEN: 0x71 } as const;
