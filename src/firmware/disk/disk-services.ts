/**
 * INT 13h: diskettes, fixed disks, CDs. IBM PS/2 and PC BIOS Interface Technical Reference, "Interrupt 13h"; extended
 * calls are in `edd.ts` and `el-torito-services.ts`.
 *
 * Not modelled: the 64 KiB boundaries of DMA (a buffer may lie across one), motors and their waits, parameter tables in
 * the caller's hands (INT 1Eh, 41h, 46h are not looked at), long reads with ECC.
 */
import { BDA, BiosData } from '../bios-data.ts';
import type { BiosState } from '../bios-state.ts';
import type { Board } from '../board.ts';
import { type CallFrame, fail, succeed } from '../call-frame.ts';
import { realAddress } from '../memory-access.ts';
import { ROM_SEGMENT } from '../rom.ts';
import { ROM_LABELS } from '../rom-image.ts';
import { type Call, type Next, SERVICE, type Service, type Services } from '../service.ts';
import { type DiskAnswer, DiskTransfer } from './disk-transfer.ts';
import { extendedFunction } from './edd.ts';
import { type EmulationContext, emulationFunction, goOnInitiating, isInitiating } from './el-torito-services.ts';
import type { Geometry } from './geometry.ts';
import { STATUS } from './status.ts';
import type { Transfers } from './transfers.ts';
import { FIRST_DRIVE, type Unit, Units } from './units.ts';

/** Sectors of one call: 64 KiB. */
const MOST_SECTORS = 128;
const FORMAT_FILLER = 0xf6;

export function diskServices(board: Board, state: BiosState, transfers: Transfers): Services {
  const units = new Units(board, state);
  const bda = new BiosData(board.memory);
  const transfer = new DiskTransfer(board, transfers);
  const emulation: EmulationContext = { board, state, units, transfer, transfers };
  const remember = (drive: number, status: number) =>
    bda.setByte(drive < FIRST_DRIVE.disk ? BDA.DISKETTE_STATUS : BDA.DISK_STATUS, status);

  /** Puts the answer into the caller's registers, and where AH=01h finds it. */
  const answer = ({ frame }: Call, drive: number, status: number): undefined => {
    remember(drive, status);
    if (status === STATUS.OK) succeed(frame, STATUS.OK);
    else fail(frame, status);
    return undefined;
  };

  const service: Service = (call) => {
    const { frame } = call;
    const drive = frame.dl;
    const done = (status: DiskAnswer): Next => {
      if (typeof status === 'number') return answer(call, drive, status);
      if (status !== 'answered') return status;
      remember(drive, STATUS.OK);
      return undefined;
    };
    if (call.memo !== undefined)
      return done(isInitiating(call.memo) ? goOnInitiating(call, emulation) : transfer.goOn(call));
    if (frame.ah === 0x01) {
      const status = bda.byte(drive < FIRST_DRIVE.disk ? BDA.DISKETTE_STATUS : BDA.DISK_STATUS);
      frame.carry = status !== STATUS.OK;
      frame.ah = status;
      return undefined;
    }
    if (frame.ah >= 0x4a && frame.ah <= 0x4d) return done(emulationFunction(call, emulation));
    const unit = units.find(drive);
    if (unit === undefined) {
      // AH=15h says "no drive present" in AH; programs look there or at the carry flag.
      const asksForType = frame.ah === 0x15;
      answer(call, drive, STATUS.INVALID);
      if (asksForType) frame.ah = 0;
      return undefined;
    }
    if (frame.ah === 0x15) return driveType(frame, unit);
    if (frame.ah >= 0x41) return done(extendedFunction(call, { unit, units, board, state, transfer }));
    return done(classicFunction(call, unit));
  };

  function classicFunction(call: Call, unit: Unit): DiskAnswer {
    const { frame } = call;
    const isFloppy = unit.kind === 'floppy';
    switch (frame.ah) {
      case 0x00: // reset
      case 0x0d:
      case 0x09: // parameters, recalibrate, diagnostics: nothing to be done
      case 0x11:
      case 0x14:
        return STATUS.OK;
      case 0x02:
      case 0x03:
      case 0x04:
        return sectors(call, unit, (['read', 'write', 'verify'] as const)[frame.ah - 2]);
      case 0x05:
        return isFloppy ? format(call, unit) : STATUS.INVALID;
      case 0x08:
        return unit.geometry === undefined ? STATUS.INVALID : parameters(frame, unit, unit.geometry, units);
      case 0x0c:
        return unit.geometry && sectorOf(frame, unit.geometry, { anySector: true }) !== undefined
          ? STATUS.OK
          : STATUS.INVALID;
      case 0x10:
        return unit.isEmpty ? STATUS.TIMEOUT : STATUS.OK;
      case 0x16:
        return isFloppy ? changeLine(unit, state) : STATUS.INVALID;
      case 0x17:
        return isFloppy ? STATUS.OK : STATUS.INVALID;
      case 0x18:
        return isFloppy ? mediaType(frame, unit) : STATUS.INVALID;
      default:
        return STATUS.INVALID;
    }
  }

  function sectors(call: Call, unit: Unit, action: 'read' | 'write' | 'verify'): DiskAnswer {
    const { frame } = call;
    const count = frame.al;
    if (count === 0 || count > MOST_SECTORS || unit.geometry === undefined) return STATUS.INVALID;
    const first = sectorOf(frame, unit.geometry);
    if (first === undefined) {
      frame.al = 0;
      return STATUS.SECTOR_NOT_FOUND;
    }
    return transfer.begin(call, unit, {
      action,
      first,
      count,
      buffer: realAddress(frame.es, frame.bx),
      report: { to: 'al' },
    });
  }

  /** AH=05h: the track, as DOS leaves a new one. The list of sectors that ES:BX points to is not looked at. */
  function format(call: Call, unit: Unit): DiskAnswer {
    const { frame } = call;
    const track = unit.geometry!;
    const first = sectorOf(frame, track, { anySector: true });
    if (first === undefined) return STATUS.SECTOR_NOT_FOUND;
    return transfer.begin(call, unit, {
      action: 'fill',
      filler: FORMAT_FILLER,
      first,
      count: track.sectors,
      buffer: 0,
      report: { to: 'nobody' },
    });
  }

  return { [SERVICE.DISK]: service };
}

/** CH, CL, DH as a sector from 0 on; undefined if there is none. `anySector`: CL's sector is 1, whatever it says. */
function sectorOf(frame: CallFrame, geometry: Geometry, { anySector = false } = {}): number | undefined {
  const cylinder = frame.ch | ((frame.cl & 0xc0) << 2);
  const sector = anySector ? 1 : frame.cl & 0x3f;
  const head = frame.dh;
  if (cylinder >= geometry.cylinders || head >= geometry.heads || sector < 1 || sector > geometry.sectors)
    return undefined;
  return (cylinder * geometry.heads + head) * geometry.sectors + sector - 1;
}

/** AH=08h. */
function parameters(frame: CallFrame, unit: Unit, geometry: Geometry, units: Units): number {
  // A fixed disk's last cylinder is reserved for diagnostics, though nobody has any.
  const last = unit.kind === 'disk' ? Math.max(geometry.cylinders - 2, 0) : geometry.cylinders - 1;
  frame.ax = 0;
  frame.ch = last;
  frame.cl = ((last >>> 2) & 0xc0) | geometry.sectors;
  frame.dh = geometry.heads - 1;
  frame.dl = units.count(unit.kind);
  if (unit.kind === 'floppy') {
    frame.bx = unit.type;
    frame.es = ROM_SEGMENT;
    frame.di = ROM_LABELS.diskette_parameters;
  }
  return STATUS.OK;
}

/** AH=15h: 2, a diskette drive that knows when its medium is changed; 3, a fixed disk of CX:DX sectors, as AH=08h has them. */
function driveType(frame: CallFrame, unit: Unit): undefined {
  if (unit.kind === 'cd') return fail(frame, STATUS.INVALID) as undefined;
  succeed(frame, unit.kind === 'floppy' ? 2 : 3);
  if (unit.kind === 'floppy') return undefined;
  const { cylinders, heads, sectors: track } = unit.geometry!;
  const sectors = Math.max(cylinders - 1, 1) * heads * track;
  frame.cx = sectors >>> 16;
  frame.dx = sectors & 0xffff;
  return undefined;
}

/** AH=16h: whether the medium is another than when this was last asked. */
function changeLine({ place, drive }: Unit, state: Pick<BiosState, 'seenChanges'>): number {
  const changes = drive.changes ?? 0;
  const key = `${place.kind} ${place.index}`;
  const before = state.seenChanges[key] ?? 0;
  state.seenChanges[key] = changes;
  return before === changes ? STATUS.OK : STATUS.MEDIA_CHANGED;
}

/** AH=18h: CH and CL say which format is meant; the drive must hold it. */
function mediaType(frame: CallFrame, unit: Unit): number {
  const { cylinders, sectors } = unit.geometry!;
  if (frame.ch !== cylinders - 1 || (frame.cl & 0x3f) !== sectors) return STATUS.MEDIA_TYPE_UNKNOWN;
  frame.es = ROM_SEGMENT;
  frame.di = ROM_LABELS.diskette_parameters;
  return STATUS.OK;
}
