/** INT 13h, AH=4Ah–4Dh: what was started from a CD. "El Torito" 1.0, section 4. */
import type { BiosState } from '../bios-state.ts';
import type { Board } from '../board.ts';
import { realAddress } from '../memory-access.ts';
import type { Call } from '../service.ts';
import type { DiskAnswer, DiskTransfer } from './disk-transfer.ts';
import { STATUS } from './status.ts';
import { FIRST_DRIVE, type Units } from './units.ts';

const PACKET_SIZE = 0x13;
const ANY_DRIVE = 0x7f;
const MOST_BLOCKS = 32;

export interface EmulationContext {
  readonly board: Board;
  readonly state: Pick<BiosState, 'emulation'>;
  readonly units: Units;
  readonly transfer: DiskTransfer;
}

/** Starting another emulation (4Ah, 4Ch) is not offered. */
export function emulationFunction(call: Call, context: EmulationContext): DiskAnswer {
  const { frame } = call;
  const { board, state } = context;
  const { emulation } = state;
  if (emulation === null) return STATUS.INVALID;
  if (frame.ah === 0x4d) return readCatalog(call, context);
  if (frame.ah !== 0x4b || frame.al > 1) return STATUS.INVALID;
  if (frame.dl !== emulation.drive && frame.dl !== ANY_DRIVE) return STATUS.INVALID;
  const packet = new DataView(new ArrayBuffer(PACKET_SIZE));
  packet.setUint8(0, PACKET_SIZE);
  packet.setUint8(1, emulation.media);
  packet.setUint8(2, emulation.drive);
  packet.setUint32(4, emulation.lba, true);
  packet.setUint16(12, emulation.loadSegment, true);
  packet.setUint16(14, emulation.count, true);
  const { geometry } = emulation;
  if (geometry !== null) {
    const last = geometry.cylinders - 1;
    packet.setUint8(16, last & 0xff);
    packet.setUint8(17, ((last >>> 2) & 0xc0) | geometry.sectors);
    packet.setUint8(18, geometry.heads - 1);
  }
  board.memory.copyIn(realAddress(frame.ds, frame.si), new Uint8Array(packet.buffer));
  if (frame.al === 0) state.emulation = null;
  return STATUS.OK;
}

/** AH=4Dh: blocks of the catalogue; the packet holds their number, where to, and the first. */
function readCatalog(call: Call, { board: { memory }, state, units, transfer }: EmulationContext): DiskAnswer {
  const emulation = state.emulation!;
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
