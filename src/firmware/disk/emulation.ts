/** The beginning and the end of a drive that an image on a CD stands for, and the start of what is in it. */
import { BDA, BiosData } from '../bios-data.ts';
import type { BiosState, Emulation } from '../bios-state.ts';
import type { Board } from '../board.ts';
import { type CallFrame, FLAG } from '../call-frame.ts';
import { emulatedGeometry, type InitialEntry, MEDIA } from './el-torito.ts';
import { FIRST_DRIVE } from './units.ts';

const BOOT_SIGNATURE = 0xaa55;
const EQUIPMENT = { DISKETTES: 0xc1, FIRST: 0x01, MORE: 6, MOST: 4 } as const;

export interface CdPlace {
  /** Which CD drive. */
  readonly cd: number;
  /** First block of the catalogue. */
  readonly catalog: number;
}

/** Programs find the drive under its number from now on; what was emulated before is no more. */
export function beginEmulation(
  board: Board,
  state: Pick<BiosState, 'emulation'>,
  { media, loadSegment, count, lba }: InitialEntry,
  { place: { cd, catalog }, firstSector }: { readonly place: CdPlace; readonly firstSector: Uint8Array },
): Emulation {
  const geometry = emulatedGeometry(media, firstSector);
  const drive = media === MEDIA.NONE ? FIRST_DRIVE.cd + cd : media === MEDIA.HARD_DISK ? FIRST_DRIVE.disk : 0;
  const emulation = { drive, media, cd, lba, catalog, loadSegment, count, geometry };
  state.emulation = emulation;
  countDrives(board, state);
  return emulation;
}

export function endEmulation(board: Board, state: Pick<BiosState, 'emulation'>): void {
  state.emulation = null;
  countDrives(board, state);
}

/** For programs that look without asking INT 13h: an emulated drive counts. */
function countDrives({ physical, drives }: Board, { emulation }: Pick<BiosState, 'emulation'>): void {
  const bda = new BiosData(physical);
  const drive = emulation === null || emulation.geometry === null ? undefined : emulation.drive;
  bda.setByte(BDA.DISKS, drives.disk.length + (drive === FIRST_DRIVE.disk ? 1 : 0));
  const floppies = Math.min(drives.floppy.length + (drive === FIRST_DRIVE.floppy ? 1 : 0), EQUIPMENT.MOST);
  const bits = floppies === 0 ? 0 : EQUIPMENT.FIRST | ((floppies - 1) << EQUIPMENT.MORE);
  bda.setWord(BDA.EQUIPMENT, (bda.word(BDA.EQUIPMENT) & ~EQUIPMENT.DISKETTES) | bits);
}

/** Where a service "returns" to that starts a boot sector, and the drive that it comes from. */
export interface BootEntry {
  readonly segment: number;
  readonly offset: number;
  readonly drive: number;
}

/** "El Torito" asks for segment:0; with CS 0 where a diskette's boot sector has it, too. */
export const imageEntry = ({ loadSegment, drive }: Pick<Emulation, 'loadSegment' | 'drive'>): BootEntry => {
  return { segment: loadSegment & 0xf000, offset: (loadSegment & 0x0fff) << 4, drive };
};

export function enter(frame: CallFrame, to: BootEntry): void {
  for (const register of ['ebx', 'ecx', 'esi', 'edi', 'ebp', 'ds', 'es'] as const) frame[register] = 0;
  frame.eax = BOOT_SIGNATURE;
  frame.edx = to.drive;
  frame.cs = to.segment;
  frame.ip = to.offset;
  frame.flags = FLAG.INTERRUPT;
}
