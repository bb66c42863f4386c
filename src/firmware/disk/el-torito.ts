/** The boot catalogue of a CD. "El Torito" Bootable CD-ROM Format Specification 1.0. */
import type { Geometry } from './geometry.ts';

/** Sector of the boot record volume descriptor. */
export const BOOT_RECORD_SECTOR = 17;
const RECORD = { IDENTIFIER: '\0CD001\x01EL TORITO SPECIFICATION', CATALOG: 0x47 } as const;
const VALIDATION = { HEADER_ID: 0x01, KEY: 30 } as const;
const INITIAL_ENTRY = 0x20;
const BOOTABLE = 0x88;
const MEDIA_TYPE = 0x0f;
export const MEDIA = { NONE: 0, HARD_DISK: 4 } as const;
export const DEFAULT_SEGMENT = 0x07c0;
/** What is loaded ends below the extended BIOS data area. */
export const END_OF_IMAGES = 0x9_fc00;
/** Diskettes of 1.2, 1.44 and 2.88 MB, by media type. */
const DISKETTE_SECTORS = [0, 15, 18, 36] as const;

/** Block of the catalogue; undefined: the CD cannot be booted. */
export function catalogBlock(record: Uint8Array): number | undefined {
  const text = new TextDecoder('latin1').decode(record.subarray(0, RECORD.IDENTIFIER.length));
  if (text !== RECORD.IDENTIFIER) return undefined;
  return new DataView(record.buffer, record.byteOffset).getUint32(RECORD.CATALOG, true);
}

export interface InitialEntry {
  readonly media: number;
  readonly loadSegment: number;
  /** Sectors of 512 bytes to be loaded. */
  readonly count: number;
  /** First block of the image. */
  readonly lba: number;
}

/** The default entry; undefined: nothing of it can be booted. The checksum is not looked at: not all makers knew of it. */
export function initialEntry(catalog: Uint8Array): InitialEntry | undefined {
  const view = new DataView(catalog.buffer, catalog.byteOffset, catalog.byteLength);
  const valid = catalog[0] === VALIDATION.HEADER_ID && view.getUint16(VALIDATION.KEY, true) === 0xaa55;
  if (!valid || catalog[INITIAL_ENTRY] !== BOOTABLE) return undefined;
  const media = catalog[INITIAL_ENTRY + 1] & MEDIA_TYPE;
  if (media > MEDIA.HARD_DISK) return undefined;
  return {
    media,
    loadSegment: view.getUint16(INITIAL_ENTRY + 2, true) || DEFAULT_SEGMENT,
    count: Math.max(view.getUint16(INITIAL_ENTRY + 6, true), 1),
    lba: view.getUint32(INITIAL_ENTRY + 8, true),
  };
}

/** Of the drive that is emulated; null: none is. A hard disk's is where the first partition of its MBR ends. */
export function emulatedGeometry(media: number, firstSector: Uint8Array): Geometry | null {
  if (media === MEDIA.NONE) return null;
  if (media !== MEDIA.HARD_DISK) return { cylinders: 80, heads: 2, sectors: DISKETTE_SECTORS[media] };
  const [head, sector, cylinder] = firstSector.subarray(0x1be + 5, 0x1be + 8);
  return {
    cylinders: (cylinder | ((sector & 0xc0) << 2)) + 1,
    heads: head + 1,
    sectors: Math.max(sector & 0x3f, 1),
  };
}
