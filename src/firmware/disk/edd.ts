/**
 * INT 13h, AH=41h–49h and 4Eh: extended calls of fixed disks and CDs, by sector number. BIOS Enhanced Disk Drive
 * Specification, EDD-3 (T13 1386D).
 *
 * Not modelled: parameters of the host adapter (the pointer to a DPTE is FFFF:FFFF, which says that there is none), and
 * ejecting a medium.
 */
import type { BiosState } from '../bios-state.ts';
import type { Board } from '../board.ts';
import { type CallFrame, succeed } from '../call-frame.ts';
import { realAddress } from '../memory-access.ts';
import type { Call } from '../service.ts';
import type { DiskAnswer, DiskTransfer } from './disk-transfer.ts';
import { STATUS } from './status.ts';
import { CD_SECTOR_SIZE, type Unit, type Units } from './units.ts';

export interface ExtendedContext {
  readonly unit: Unit;
  readonly units: Units;
  readonly board: Board;
  readonly state: Pick<BiosState, 'seenChanges' | 'locks'>;
  readonly transfer: DiskTransfer;
}

const VERSION = 0x30;
/** Access by packet; locking and ejecting; parameters. */
const SUPPORT = { PACKET: 1, REMOVABLE: 2, PARAMETERS: 4 } as const;
const MOST_SECTORS = 127;
/** Of a disk access packet. */
const PACKET = { COUNT: 2, OFFSET: 4, SEGMENT: 6, SECTOR: 8, FLAT: 0x10, SIZE: 0x10, SIZE_WITH_FLAT: 0x18 } as const;
const FLAT_FOLLOWS = 0xffff_ffff;

export function extendedFunction(call: Call, context: ExtendedContext): DiskAnswer {
  const { frame } = call;
  const { unit } = context;
  if (unit.kind === 'floppy') return STATUS.INVALID;
  const isCd = unit.kind === 'cd';
  switch (frame.ah) {
    case 0x41:
      if (frame.bx !== 0x55aa) return STATUS.INVALID;
      frame.bx = 0xaa55;
      frame.cx = SUPPORT.PACKET | SUPPORT.PARAMETERS | (isCd ? SUPPORT.REMOVABLE : 0);
      succeed(frame, VERSION);
      return 'answered';
    case 0x42:
      return sectors(call, context, 'read');
    case 0x43:
      return frame.al > 2 ? STATUS.INVALID : sectors(call, context, 'write');
    case 0x44:
      return sectors(call, context, 'verify');
    case 0x47:
      return sectors(call, context, 'seek');
    case 0x45:
      return isCd ? lock(frame, context) : STATUS.NOT_REMOVABLE;
    case 0x46:
      return isCd ? STATUS.EJECT_FAILED : STATUS.NOT_REMOVABLE;
    case 0x48:
      return parameters(frame, context);
    case 0x49:
      return isCd ? mediaChange(context) : STATUS.OK;
    case 0x4e:
      return hardwareConfiguration(frame, { isCd });
    default:
      return STATUS.INVALID;
  }
}

function sectors(
  call: Call,
  { board: { memory }, unit, transfer }: ExtendedContext,
  action: 'read' | 'write' | 'verify' | 'seek',
): DiskAnswer {
  const { frame } = call;
  const packet = realAddress(frame.ds, frame.si);
  const size = memory.read(packet, 1);
  const count = memory.read(packet + PACKET.COUNT, 2);
  if (size < PACKET.SIZE || count > MOST_SECTORS) return STATUS.INVALID;
  const first = memory.read(packet + PACKET.SECTOR, 4) + memory.read(packet + PACKET.SECTOR + 4, 4) * 2 ** 32;
  if (action === 'seek') return first < unit.sectors ? STATUS.OK : STATUS.SECTOR_NOT_FOUND;
  if (count === 0) return STATUS.OK;
  const [offset, segment] = [memory.read(packet + PACKET.OFFSET, 2), memory.read(packet + PACKET.SEGMENT, 2)];
  const flat = size >= PACKET.SIZE_WITH_FLAT && segment * 0x1_0000 + offset === FLAT_FOLLOWS;
  // Above 4 GiB there is no memory.
  if (flat && memory.read(packet + PACKET.FLAT + 4, 4) !== 0) return STATUS.INVALID;
  const buffer = flat ? memory.read(packet + PACKET.FLAT, 4) : realAddress(segment, offset);
  return transfer.begin(call, unit, { action, first, count, buffer, flat, report: { to: 'packet', packet } });
}

/** AH=45h: AL 0 locks, 1 unlocks, 2 asks. */
function lock(frame: CallFrame, { unit, state }: ExtendedContext): DiskAnswer {
  const { index } = unit.place;
  const locks = state.locks[index] ?? 0;
  if (frame.al === 1 && locks === 0) return STATUS.NOT_LOCKED;
  if (frame.al > 2) return STATUS.INVALID;
  if (frame.al < 2) state.locks[index] = frame.al === 0 ? Math.min(locks + 1, 255) : locks - 1;
  frame.al = (state.locks[index] ?? 0) > 0 ? 1 : 0;
  return STATUS.OK;
}

function mediaChange({ unit, state }: ExtendedContext): number {
  const changes = unit.drive.changes ?? 0;
  const key = `cd ${unit.place.index}`;
  const before = state.seenChanges[key] ?? 0;
  state.seenChanges[key] = changes;
  return before === changes ? STATUS.OK : STATUS.MEDIA_CHANGED;
}

/** AH=4Eh: less prefetching, slower transfers, no DMA: all the same here. */
function hardwareConfiguration(frame: CallFrame, { isCd }: { isCd: boolean }): number {
  if (isCd || ![0x01, 0x03, 0x04, 0x06].includes(frame.al)) return STATUS.INVALID;
  frame.al = 0;
  return STATUS.OK;
}

/** Sizes of what AH=48h answers: versions 1 and 2 of the specification, and 3 with the path to the device. */
const SIZE = { VERSION_1: 26, VERSION_2: 30, VERSION_3: 66 } as const;
const INFORMATION = {
  DMA_TRANSPARENT: 1,
  GEOMETRY: 2,
  REMOVABLE: 4,
  CHANGE_LINE: 0x10,
  LOCKABLE: 0x20,
  NO_MEDIA: 0x40,
};
/** What ATA disks say of themselves, however large they are. */
const PHYSICAL = { MOST_CYLINDERS: 16_383, HEADS: 16, SECTORS: 63 } as const;
const PATH = { AT: 30, KEY: 0xbedd, LENGTH: 36 } as const;

function parameters(frame: CallFrame, { unit, board }: ExtendedContext): number {
  const at = realAddress(frame.ds, frame.si);
  const given = board.memory.read(at, 2);
  if (given < SIZE.VERSION_1) return STATUS.INVALID;
  const { ata } = unit.drive;
  const size = given >= SIZE.VERSION_3 && ata ? SIZE.VERSION_3 : Math.min(given, SIZE.VERSION_2);
  const length = size < SIZE.VERSION_2 ? SIZE.VERSION_1 : size;
  const bytes = new Uint8Array(SIZE.VERSION_3);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, length, true);
  if (unit.sectorSize === CD_SECTOR_SIZE) describeCd(view, unit);
  else describeDisk(view, unit);
  view.setBigUint64(16, BigInt(unit.sectors), true);
  view.setUint16(24, unit.sectorSize, true);
  view.setUint32(26, 0xffff_ffff, true);
  if (ata) describePath(bytes, ata);
  board.memory.copyIn(at, bytes.subarray(0, length));
  return STATUS.OK;
}

function describeDisk(view: DataView, { sectors }: Unit): void {
  const cylinders = Math.floor(sectors / (PHYSICAL.HEADS * PHYSICAL.SECTORS));
  const fits = cylinders <= PHYSICAL.MOST_CYLINDERS;
  view.setUint16(2, INFORMATION.DMA_TRANSPARENT | (fits ? INFORMATION.GEOMETRY : 0), true);
  view.setUint32(4, Math.min(Math.max(cylinders, 1), PHYSICAL.MOST_CYLINDERS), true);
  view.setUint32(8, PHYSICAL.HEADS, true);
  view.setUint32(12, PHYSICAL.SECTORS, true);
}

function describeCd(view: DataView, { isEmpty }: Unit): void {
  const { DMA_TRANSPARENT, REMOVABLE, CHANGE_LINE, LOCKABLE, NO_MEDIA } = INFORMATION;
  view.setUint16(2, DMA_TRANSPARENT | REMOVABLE | CHANGE_LINE | LOCKABLE | (isEmpty ? NO_MEDIA : 0), true);
  for (const at of [4, 8, 12]) view.setUint32(at, 0xffff_ffff, true);
}

function describePath(bytes: Uint8Array, ata: NonNullable<Unit['drive']['ata']>): void {
  const view = new DataView(bytes.buffer);
  view.setUint16(PATH.AT, PATH.KEY, true);
  bytes[PATH.AT + 2] = PATH.LENGTH;
  bytes.set(new TextEncoder().encode('PCI ATA     '), PATH.AT + 6);
  // Bus, device and function of the controller, and its channel; then the device on it.
  bytes.set([0, ata.pciDevice, ata.pciFunction, ata.channel], PATH.AT + 18);
  bytes[PATH.AT + 26] = ata.device;
  const sum = bytes.subarray(PATH.AT, SIZE.VERSION_3 - 1).reduce((total, byte) => total + byte, 0);
  bytes[SIZE.VERSION_3 - 1] = -sum;
}
