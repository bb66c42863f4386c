/** Cylinders, heads and sectors: of diskettes by their size, of disks as translating BIOSes have them. */
import type { Drive } from '../board.ts';

export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  /** To a track; the first is 1. */
  readonly sectors: number;
}

export const SECTOR_SIZE = 512;

interface DisketteFormat extends Geometry {
  /** Kind of drive in the CMOS and in INT 13h, AH=08h: 1 360K, 2 1.2M, 3 720K, 4 1.44M, 5 2.88M. */
  readonly type: number;
}

const format = (type: number, cylinders: number, heads: number, sectors: number): DisketteFormat => {
  return { type, cylinders, heads, sectors };
};
const FORMATS = [
  format(1, 40, 1, 8),
  format(1, 40, 1, 9),
  format(1, 40, 2, 8),
  format(1, 40, 2, 9),
  format(3, 80, 2, 9),
  format(2, 80, 2, 15),
  format(4, 80, 2, 18),
  format(4, 80, 2, 21),
  format(4, 82, 2, 21),
  format(5, 80, 2, 36),
] as const;
const USUAL = FORMATS[6];
/** An image of another size lies on the smallest diskette that holds it, or on the largest. */
export function disketteFormat(bytes: number): DisketteFormat {
  return FORMATS.find((each) => sectorsOf(each) * SECTOR_SIZE >= bytes) ?? FORMATS.at(-1)!;
}

export const sectorsOf = ({ cylinders, heads, sectors }: Geometry): number => cylinders * heads * sectors;

/** Kind of a drive: 0 if there is none. An empty one is a 1.44 MB drive. */
export function floppyType(drive: Drive | undefined): number {
  if (drive === undefined) return 0;
  return drive.medium === undefined ? USUAL.type : disketteFormat(drive.medium.size).type;
}

const TRANSLATED_HEADS = [16, 32, 64, 128, 255] as const;
const MOST_CYLINDERS = 1024;
const TRACK = 63;

/**
 * "LBA-assisted" translation: as few heads as leave at most 1024 cylinders. What lies beyond them is reached by extended
 * calls alone. At least one cylinder, however small the disk.
 */
export function translatedGeometry(sectors: number): Geometry {
  const heads = TRANSLATED_HEADS.find((each) => sectors <= MOST_CYLINDERS * each * TRACK) ?? 255;
  const cylinders = Math.min(Math.max(Math.floor(sectors / (heads * TRACK)), 1), MOST_CYLINDERS);
  return { cylinders, heads, sectors: TRACK };
}
