/** Sectors between a unit and the caller's memory, over as many calls of the service as it takes. */
import type { Board } from '../board.ts';
import { type Call, type Memo, type Next, sleep } from '../service.ts';
import { STATUS } from './status.ts';
import type { Transfers } from './transfers.ts';
import type { Unit } from './units.ts';

/** A status; that the call goes on; or that the registers have the answer already. */
export type DiskAnswer = number | 'answered' | Exclude<Next, undefined>;

export interface SectorRequest {
  readonly action: 'read' | 'write' | 'verify' | 'fill';
  /** Sectors of the unit. */
  readonly first: number;
  readonly count: number;
  /** A linear address; physical if `flat`. */
  readonly buffer: number;
  readonly flat?: boolean;
  /** Of every byte, for `fill`. */
  readonly filler?: number;
  /** Where the number of sectors goes that were transferred: AL, or the packet at a linear address. */
  readonly report: { readonly to: 'al' | 'nobody' } | { readonly to: 'packet'; readonly packet: number };
}

const PACKET_COUNT = 2;

export class DiskTransfer {
  readonly #board: Board;
  readonly #transfers: Transfers;

  constructor(board: Board, transfers: Transfers) {
    this.#board = board;
    this.#transfers = transfers;
  }

  begin(call: Call, unit: Unit, request: SectorRequest): DiskAnswer {
    const { action, first, count, buffer, flat = false, report } = request;
    const refusal = refusalOf(unit, request);
    const more: Memo = { action, count, buffer, flat, ...report };
    if (refusal !== undefined) {
      this.#report(call, more, 0);
      return refusal;
    }
    const place = { ...unit.place, offset: unit.offset + first * unit.sectorSize, length: count * unit.sectorSize };
    if (action === 'write') return this.#transfers.begin(call, { ...place, source: buffer, flat }, more);
    if (action === 'fill') return this.#transfers.begin(call, { ...place, filler: request.filler ?? 0 }, more);
    return this.#transfers.begin(call, place, more);
  }

  goOn(call: Call): DiskAnswer {
    const memo = call.memo!;
    const result = this.#transfers.result(call);
    if (result === undefined) return sleep(memo);
    if (result.bytes === undefined) {
      this.#report(call, memo, 0);
      return memo.action === 'write' || memo.action === 'fill' ? STATUS.WRITE_FAULT : STATUS.SECTOR_NOT_FOUND;
    }
    if (memo.action === 'read') {
      const memory = memo.flat ? this.#board.physical : this.#board.memory;
      memory.copyIn(memo.buffer as number, result.bytes);
    }
    this.#report(call, memo, memo.count as number);
    return STATUS.OK;
  }

  #report({ frame }: Call, memo: Memo, count: number): void {
    if (memo.to === 'al') frame.al = count;
    else if (memo.to === 'packet') this.#board.memory.write((memo.packet as number) + PACKET_COUNT, count, 2);
  }
}

function refusalOf(unit: Unit, { action, first, count }: SectorRequest): number | undefined {
  if (unit.isEmpty) return unit.kind === 'cd' ? STATUS.NO_MEDIA : STATUS.TIMEOUT;
  if ((action === 'write' || action === 'fill') && unit.readOnly) return STATUS.WRITE_PROTECTED;
  return first + count > unit.sectors ? STATUS.SECTOR_NOT_FOUND : undefined;
}
