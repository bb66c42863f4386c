/**
 * Drives by the numbers that INT 13h knows them by: diskettes from 00h, fixed disks from 80h, CDs from E0h. An emulated
 * drive (El Torito, section 1.4) comes first of its kind, and moves the others up.
 */
import type { BiosState } from '../bios-state.ts';
import type { Board, Drive, DriveKind } from '../board.ts';
import { disketteFormat, floppyType, type Geometry, SECTOR_SIZE, translatedGeometry } from './geometry.ts';

export const FIRST_DRIVE: Readonly<Record<DriveKind, number>> = { floppy: 0x00, disk: 0x80, cd: 0xe0 };
export const CD_SECTOR_SIZE = 2048;

export interface Unit {
  /** What programs take it for. */
  readonly kind: DriveKind;
  /** Where it is. */
  readonly place: { readonly kind: DriveKind; readonly index: number };
  readonly drive: Drive;
  /** Of its first sector on the medium, in bytes. */
  readonly offset: number;
  readonly sectorSize: number;
  readonly sectors: number;
  /** What CHS means; none for a CD. */
  readonly geometry: Geometry | undefined;
  readonly readOnly: boolean;
  readonly isEmpty: boolean;
  /** Of a diskette drive, as in the CMOS. */
  readonly type: number;
}

export class Units {
  readonly #board: Pick<Board, 'drives'>;
  readonly #state: Pick<BiosState, 'emulation'>;

  constructor(board: Pick<Board, 'drives'>, state: Pick<BiosState, 'emulation'>) {
    this.#board = board;
    this.#state = state;
  }

  /** How many of a kind programs are told of. */
  count(kind: DriveKind): number {
    return this.#board.drives[kind].length + (this.#emulates(kind) ? 1 : 0);
  }

  find(number: number): Unit | undefined {
    const kind = kindOf(number);
    const index = number - FIRST_DRIVE[kind];
    if (!this.#emulates(kind)) return this.#physical(kind, index);
    return index === 0 ? this.#emulated() : this.#physical(kind, index - 1);
  }

  #emulates(kind: DriveKind): boolean {
    const { emulation } = this.#state;
    return emulation !== null && emulation.geometry !== null && kindOf(emulation.drive) === kind;
  }

  #physical(kind: DriveKind, index: number): Unit | undefined {
    const drive = this.#board.drives[kind][index];
    if (drive === undefined) return undefined;
    const bytes = drive.medium?.size ?? 0;
    const sectorSize = kind === 'cd' ? CD_SECTOR_SIZE : SECTOR_SIZE;
    const sectors = Math.floor(bytes / sectorSize);
    return {
      kind,
      place: { kind, index },
      drive,
      offset: 0,
      sectorSize,
      sectors,
      geometry:
        kind === 'cd' ? undefined : kind === 'floppy' ? disketteFormat(bytes || USUAL) : translatedGeometry(sectors),
      readOnly: kind === 'cd' || (drive.medium?.readOnly ?? false),
      isEmpty: drive.medium === undefined,
      type: kind === 'floppy' ? floppyType(drive) : 0,
    };
  }

  #emulated(): Unit | undefined {
    const emulation = this.#state.emulation!;
    const drive = this.#board.drives.cd[emulation.cd];
    if (drive === undefined) return undefined;
    const geometry = emulation.geometry!;
    const room = Math.floor((drive.medium?.size ?? 0) / SECTOR_SIZE) - emulation.lba * (CD_SECTOR_SIZE / SECTOR_SIZE);
    return {
      kind: kindOf(emulation.drive),
      place: { kind: 'cd', index: emulation.cd },
      drive,
      offset: emulation.lba * CD_SECTOR_SIZE,
      sectorSize: SECTOR_SIZE,
      sectors: Math.max(0, Math.min(room, geometry.cylinders * geometry.heads * geometry.sectors)),
      geometry,
      readOnly: true,
      isEmpty: drive.medium === undefined,
      type: EMULATED_TYPES[emulation.media] ?? 0,
    };
  }
}

/** An empty drive is one of 1.44 MB. */
const USUAL = 1440 * 1024;
/** By the catalogue's media type. */
const EMULATED_TYPES: readonly number[] = [0, 2, 4, 5];

function kindOf(number: number): DriveKind {
  if (number >= FIRST_DRIVE.cd) return 'cd';
  return number >= FIRST_DRIVE.disk ? 'disk' : 'floppy';
}
