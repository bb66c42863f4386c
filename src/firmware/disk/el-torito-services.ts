/**
 * INT 13h, AH=4Ah–4Dh: a drive that an image on a CD stands for. "El Torito" 1.0, section 6.
 *
 * Not modelled: an image as another drive than the first of its kind (81h and up: "non-bootable"), a buffer for caching
 * reads, and starting from a system as after a reset (AH=4Ch starts the image as INT 19h does).
 */
import type { BiosState } from '../bios-state.ts';
import type { Board, Drive } from '../board.ts';
import { realAddress } from '../memory-access.ts';
import { type Call, type Memo, sleep } from '../service.ts';
import type { DiskAnswer, DiskTransfer } from './disk-transfer.ts';
import { DEFAULT_SEGMENT, END_OF_IMAGES, type InitialEntry, MEDIA } from './el-torito.ts';
import { beginEmulation, type CdPlace, endEmulation, enter, imageEntry } from './emulation.ts';
import { SECTOR_SIZE } from './geometry.ts';
import { STATUS } from './status.ts';
import type { Transfers } from './transfers.ts';
import { CD_SECTOR_SIZE, FIRST_DRIVE, type Units } from './units.ts';

/** Of a specification packet; offsets of what is in it. */
const PACKET_SIZE = 0x13;
const PACKET = {
  ...{ SIZE: 0, MEDIA: 1, DRIVE: 2, CONTROLLER: 3, LBA: 4, DEVICE: 8, SEGMENT: 12, COUNT: 14 },
  ...{ CYLINDERS: 16, SECTORS: 17, HEADS: 18 },
} as const;
const ANY_DRIVE = 0x7f;
const MOST_BLOCKS = 32;
/** Beginning emulation without a boot catalogue: AH=4Dh then has none. */
const NO_CATALOG = 0;
/** In memos of calls that begin an emulation. */
const STEP = 'emulate';

export interface EmulationContext {
  readonly board: Board;
  readonly state: Pick<BiosState, 'emulation'>;
  readonly units: Units;
  readonly transfer: DiskTransfer;
  readonly transfers: Transfers;
}

export function emulationFunction(call: Call, context: EmulationContext): DiskAnswer {
  const { ah, al } = call.frame;
  if (al !== 0 && !(ah === 0x4b && al === 1)) return STATUS.INVALID;
  switch (ah) {
    case 0x4a:
      return initiate(call, context, { starts: false });
    case 0x4b:
      return terminate(call, context);
    case 0x4c:
      return initiate(call, context, { starts: true });
    default:
      return readCatalog(call, context);
  }
}

/** AX=4A00h: the drive is there from now on. AX=4C00h: and what is in its first sectors is started. */
function initiate(call: Call, { board, transfers }: EmulationContext, { starts }: { starts: boolean }): DiskAnswer {
  const { memory, drives } = board;
  const packet = new DataView(memory.copyOut(realAddress(call.frame.ds, call.frame.si), PACKET_SIZE).buffer);
  const cd = drives.cd.findIndex((drive) => {
    const { controller, device } = placeOf(drive);
    return controller === packet.getUint8(PACKET.CONTROLLER) && device === (packet.getUint8(PACKET.DEVICE) & 1);
  });
  const entry = entryOf(packet);
  if (cd < 0 || entry === undefined) return STATUS.INVALID;
  const length = starts ? entry.count * SECTOR_SIZE : SECTOR_SIZE;
  if (starts && entry.loadSegment * 16 + length > END_OF_IMAGES) return STATUS.INVALID;
  const medium = drives.cd[cd].medium;
  if (medium === undefined) return STATUS.NO_MEDIA;
  const offset = entry.lba * CD_SECTOR_SIZE;
  if (offset + length > medium.size) return STATUS.SECTOR_NOT_FOUND;
  return transfers.begin(call, { kind: 'cd', index: cd, offset, length }, { step: STEP, starts, cd, ...entry });
}

export const isInitiating = (memo: Memo): boolean => memo.step === STEP;

/** When the first sector, or all that is to be started, has been read. */
export function goOnInitiating(call: Call, { board, state, transfers }: EmulationContext): DiskAnswer {
  const memo = call.memo!;
  const result = transfers.result(call);
  if (result === undefined) return sleep(memo);
  const { bytes } = result;
  if (bytes === undefined) return STATUS.SECTOR_NOT_FOUND;
  const entry = memo as unknown as InitialEntry;
  const place: CdPlace = { cd: memo.cd as number, catalog: NO_CATALOG };
  const emulation = beginEmulation(board, state, entry, { place, firstSector: bytes });
  if (!memo.starts) return STATUS.OK;
  board.physical.copyIn(entry.loadSegment * 16, bytes);
  enter(call.frame, imageEntry(emulation));
  return 'answered';
}

/** What a packet asks for; undefined: nothing that is offered. */
function entryOf(packet: DataView): InitialEntry | undefined {
  const media = packet.getUint8(PACKET.MEDIA) & 0x0f;
  const drive = packet.getUint8(PACKET.DRIVE);
  if (packet.getUint8(PACKET.SIZE) < PACKET_SIZE || media > MEDIA.HARD_DISK) return undefined;
  const isNumber =
    media === MEDIA.NONE ? drive > FIRST_DRIVE.disk : drive === (media === MEDIA.HARD_DISK ? FIRST_DRIVE.disk : 0);
  if (!isNumber) return undefined;
  return {
    media,
    lba: packet.getUint32(PACKET.LBA, true),
    loadSegment: packet.getUint16(PACKET.SEGMENT, true) || DEFAULT_SEGMENT,
    count: Math.max(packet.getUint16(PACKET.COUNT, true), 1),
  };
}

/** AX=4B00h, and 4B01h, which only asks. */
function terminate({ frame }: Call, { board, state }: EmulationContext): number {
  const { emulation } = state;
  if (emulation === null || (frame.dl !== emulation.drive && frame.dl !== ANY_DRIVE)) return STATUS.INVALID;
  const { controller, device } = placeOf(board.drives.cd[emulation.cd]);
  const packet = new DataView(new ArrayBuffer(PACKET_SIZE));
  packet.setUint8(PACKET.SIZE, PACKET_SIZE);
  packet.setUint8(PACKET.MEDIA, emulation.media);
  packet.setUint8(PACKET.DRIVE, emulation.drive);
  packet.setUint8(PACKET.CONTROLLER, controller);
  packet.setUint32(PACKET.LBA, emulation.lba, true);
  packet.setUint16(PACKET.DEVICE, device, true);
  packet.setUint16(PACKET.SEGMENT, emulation.loadSegment, true);
  packet.setUint16(PACKET.COUNT, emulation.count, true);
  const { geometry } = emulation;
  if (geometry !== null) {
    const last = geometry.cylinders - 1;
    packet.setUint8(PACKET.CYLINDERS, last & 0xff);
    packet.setUint8(PACKET.SECTORS, ((last >>> 2) & 0xc0) | geometry.sectors);
    packet.setUint8(PACKET.HEADS, geometry.heads - 1);
  }
  board.memory.copyIn(realAddress(frame.ds, frame.si), new Uint8Array(packet.buffer));
  if (frame.al === 0) endEmulation(board, state);
  return STATUS.OK;
}

/** IDE channel, and which of the two devices on it. */
const placeOf = (drive: Drive | undefined): { controller: number; device: number } => {
  return { controller: drive?.ata?.channel ?? 0, device: drive?.ata?.device ?? 0 };
};

/** AH=4Dh: blocks of the catalogue; the packet holds their number, where to, and the first. */
function readCatalog(call: Call, { board: { memory }, state, units, transfer }: EmulationContext): DiskAnswer {
  const { emulation } = state;
  if (emulation === null || emulation.catalog === NO_CATALOG) return STATUS.INVALID;
  const unit = units.find(FIRST_DRIVE.cd + emulation.cd);
  const packet = realAddress(call.frame.ds, call.frame.si);
  const count = memory.read(packet + 1, 1);
  if (unit === undefined || count === 0 || count > MOST_BLOCKS) return STATUS.INVALID;
  return transfer.begin(call, unit, {
    action: 'read',
    first: emulation.catalog + memory.read(packet + 6, 2),
    count,
    buffer: realAddress(memory.read(packet + 4, 2), memory.read(packet + 2, 2)),
    report: { to: 'nobody' },
  });
}
