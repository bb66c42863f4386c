/** Cylinders, heads and sectors: how old software addresses a disk. ATA/ATAPI-6 (T13/1410D), annex B. */

export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  /** Per track. */
  readonly sectors: number;
}

const MOST = { CYLINDERS: 16_383, HEADS: 16, SECTORS: 63 } as const;
/** What a register of 16 bits can hold. */
const CYLINDER_NUMBERS = 65_535;

/** What a disk of `total` sectors says it has after power-on. */
export function defaultGeometry(total: number): Geometry {
  const whole = MOST.HEADS * MOST.SECTORS;
  if (total >= whole)
    return { cylinders: Math.min(Math.floor(total / whole), MOST.CYLINDERS), heads: MOST.HEADS, sectors: MOST.SECTORS };
  const sectors = Math.min(total, MOST.SECTORS);
  return { cylinders: Math.floor(total / sectors), heads: 1, sectors };
}

/** With other heads and sectors, as INITIALIZE DEVICE PARAMETERS sets them: cylinders as far as the disk goes. */
export function translatedGeometry(total: number, heads: number, sectors: number): Geometry {
  return { cylinders: Math.min(Math.floor(total / (heads * sectors)), CYLINDER_NUMBERS), heads, sectors };
}

export const capacityOf = ({ cylinders, heads, sectors }: Geometry): number => cylinders * heads * sectors;

/** The sector's number from 0; undefined if there is no such head or sector. `sector` counts from 1. */
export function toLba(
  { heads, sectors }: Geometry,
  at: { readonly cylinder: number; readonly head: number; readonly sector: number },
): number | undefined {
  if (at.head >= heads || at.sector === 0 || at.sector > sectors) return undefined;
  return (at.cylinder * heads + at.head) * sectors + at.sector - 1;
}

export function fromLba({ heads, sectors }: Geometry, lba: number): { cylinder: number; head: number; sector: number } {
  const track = Math.floor(lba / sectors);
  return { cylinder: Math.floor(track / heads), head: track % heads, sector: (lba % sectors) + 1 };
}
