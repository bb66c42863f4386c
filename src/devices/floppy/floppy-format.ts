/**
 * What floppy disks hold, told by their size, and which drives take them. All have MFM sectors of 512 bytes, numbered
 * from 1 in physical order; track 0 is the outermost. Geometry and data rates: 82077AA datasheet, order number 290166,
 * table "Sector/track formats"; drive types: CMOS register 10h as the IBM PC/AT has it.
 */
import { UserError } from '../../base/errors.ts';

/** Bytes in a sector, and the code N for it: 128 << N. */
export const SECTOR_BYTES = 512;
export const SECTOR_SIZE_CODE = 2;

/** Values of the data rate select bits, and what they are in bits per second. */
export const RATE = { '500k': 0, '300k': 1, '250k': 2, '1M': 3 } as const;
export const BITS_PER_SECOND = [500_000, 300_000, 250_000, 1_000_000] as const;
export type Rate = (typeof RATE)[keyof typeof RATE];

export interface FloppyFormat {
  readonly name: string;
  readonly cylinders: number;
  readonly heads: number;
  /** Per track. */
  readonly sectors: number;
  /** At the speed that it was made for: 5¼ inch double density turns faster in a high-density drive. */
  readonly rate: Rate;
  readonly drives: readonly FloppyDriveType[];
}

export type FloppyDriveType = '360K' | '1.2M' | '720K' | '1.44M' | '2.88M';

interface DriveProperties {
  /** In CMOS register 10h. */
  readonly cmosType: number;
  readonly cylinders: number;
  /** Time of a revolution in ns. */
  readonly revolution: number;
}

export const DRIVES: Readonly<Record<FloppyDriveType, DriveProperties>> = {
  '360K': { cmosType: 1, cylinders: 40, revolution: 200_000_000 },
  '1.2M': { cmosType: 2, cylinders: 80, revolution: 166_666_667 },
  '720K': { cmosType: 3, cylinders: 80, revolution: 200_000_000 },
  '1.44M': { cmosType: 4, cylinders: 80, revolution: 200_000_000 },
  '2.88M': { cmosType: 5, cylinders: 80, revolution: 200_000_000 },
};
/** Cylinders that a head can be moved beyond the last one. */
export const SPARE_CYLINDERS = 3;

const format = (
  name: string,
  [cylinders, heads, sectors]: readonly [number, number, number],
  rate: keyof typeof RATE,
  drives: readonly FloppyDriveType[],
): FloppyFormat => ({ name, cylinders, heads, sectors, rate: RATE[rate], drives });

/** The first drive of each is the one it was made for. */
const FORMATS: readonly FloppyFormat[] = [
  format('160 KB', [40, 1, 8], '250k', ['360K', '1.2M']),
  format('180 KB', [40, 1, 9], '250k', ['360K', '1.2M']),
  format('320 KB', [40, 2, 8], '250k', ['360K', '1.2M']),
  format('360 KB', [40, 2, 9], '250k', ['360K', '1.2M']),
  format('720 KB', [80, 2, 9], '250k', ['720K', '1.44M', '2.88M']),
  format('1.2 MB', [80, 2, 15], '500k', ['1.2M']),
  format('1.44 MB', [80, 2, 18], '500k', ['1.44M', '2.88M']),
  format('1.68 MB (DMF)', [80, 2, 21], '500k', ['1.44M', '2.88M']),
  format('2.88 MB', [80, 2, 36], '1M', ['2.88M']),
];

const bytesOf = ({ cylinders, heads, sectors }: FloppyFormat): number => cylinders * heads * sectors * SECTOR_BYTES;

/** The format of a disk of `size` bytes, if there is one. */
export const floppyFormat = (size: number): FloppyFormat | undefined =>
  FORMATS.find((candidate) => bytesOf(candidate) === size);

/** @throws UserError if no floppy disk has this size, or the drive does not take those that have */
export function formatFor(size: number, drive: FloppyDriveType): FloppyFormat {
  const found = floppyFormat(size);
  if (found === undefined) {
    const sizes = FORMATS.map(bytesOf).join(', ');
    throw new UserError(`a floppy disk has no ${size} bytes: it can have ${sizes}`);
  }
  if (!found.drives.includes(drive))
    throw new UserError(
      `a floppy disk of ${found.name} does not go into a ${drive} drive, but: ${found.drives.join(', ')}`,
    );
  return found;
}

/** The drive for a disk of `size` bytes; without a disk, or with one of no known size: 1.44 MB. */
export function driveFor(size: number | undefined): FloppyDriveType {
  const found = size === undefined ? undefined : floppyFormat(size);
  // A 3½ inch drive that takes 1.44 MB takes 720 KB as well, and is what a PC has.
  return found?.drives.includes('1.44M') ? '1.44M' : (found?.drives[0] ?? '1.44M');
}

/** The data rate at which a drive reads a disk. */
export const rateIn = (drive: FloppyDriveType, { rate }: FloppyFormat): Rate =>
  drive === '1.2M' && rate === RATE['250k'] ? RATE['300k'] : rate;
