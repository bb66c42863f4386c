/**
 * How the floppy controller carries out the commands that read or write the disk. 82077AA datasheet, order number
 * 290166, "Data Transfer Commands".
 *
 * When a step ends depends on the command and the disk alone: a sector takes its share of a revolution, divided by
 * `SPEED_UP`. Nothing waits for the disk to turn to where a sector is. If the host has not answered when a step ends,
 * guest time stands still (`VirtualClock.setAlarm`).
 */
import type { Pending } from '../../base/pending.ts';
import type { Alarm, VirtualClock } from '../../base/virtual-clock.ts';
import type { DmaChannel, DmaProgress } from '../../bus/dma-channel.ts';
import { COMMAND, MODIFIER } from './command-set.ts';
import { COMMAND_TIME } from './controller-state.ts';
import type { FloppyDrive } from './floppy-drive.ts';
import { BITS_PER_SECOND, type Rate, SECTOR_BYTES, SECTOR_SIZE_CODE } from './floppy-format.ts';
import { ST0, ST1, ST2 } from './status-bits.ts';
import {
  advance,
  bufferLength,
  createTransfer,
  driveOf,
  givesToHost,
  hasModifier,
  isScan,
  isWrite,
  lastSector,
  movesData,
  NO_ADDRESS_MARK,
  nextId,
  operationOf,
  type SearchFailure,
  type SectorId,
  scan,
  type Transfer,
} from './transfer.ts';

/** Disks turn so many times faster than real ones: a 1.44 MB disk is read in 4 s of guest time instead of 32. */
export const SPEED_UP = 8;
/** Revolutions after which a sector is given up that is not there. */
const SEARCH_REVOLUTIONS = 2;
/** Of a drive that is not there, in ns. */
const DEFAULT_REVOLUTION = 200_000_000;
const FIFO_SIZE = 16;
const NOTHING = new Uint8Array(0);
const NO_PROGRESS: DmaProgress = { moved: 0, terminalCount: false };

/** What the runner needs of the controller around it. */
export interface TransferContext {
  readonly clock: VirtualClock;
  readonly dma: DmaChannel;
  /** The command under way, in the controller's state. */
  transfer: Transfer | null;
  readonly drive: (index: number) => FloppyDrive | undefined;
  /** The drive's motor is on. */
  readonly turns: (index: number) => boolean;
  /** The data rate selected. */
  readonly rate: () => Rate;
  readonly nonDma: () => boolean;
  /** DMAGATE: DRQ gets out. */
  readonly gated: () => boolean;
  /** Bytes that a burst of the FIFO moves, by its threshold; 1: it is disabled. */
  readonly threshold: () => number;
  /** Moves a drive's head to a cylinder, if implied seeks are enabled: the time it takes in ns; undefined: they are not. */
  readonly implySeek: (drive: number, cylinder: number) => number | undefined;
  /** INT in the execution phase. */
  readonly interrupt: (level: 0 | 1) => void;
  /** Enters the result phase. */
  readonly finish: (result: number[]) => void;
  /** The host failed to read or write the disk in this drive. */
  readonly hostFailed: (drive: number, error: unknown) => void;
}

export class TransferRunner {
  readonly #context: TransferContext;
  #alarm: Alarm | undefined;
  /** The answer of the host that `read` and `write` wait for. */
  #answer: Pending<unknown> | undefined;

  constructor(context: TransferContext) {
    this.#context = context;
  }

  /** The execution phase begins; `bytes` are those of the command phase. */
  begin(bytes: readonly number[]): void {
    const context = this.#context;
    const transfer = createTransfer(bytes);
    context.transfer = transfer;
    const operation = operationOf(transfer);
    let delay = COMMAND_TIME;
    if (operation !== COMMAND.READ_ID && operation !== COMMAND.FORMAT_TRACK) {
      const seek = context.implySeek(driveOf(transfer), transfer.id.c);
      transfer.soughtCylinder = seek !== undefined;
      delay += seek ?? 0;
    }
    if (movesData(operation) && !context.nonDma() && context.gated()) context.dma.request(1);
    this.#seekSector(delay);
  }

  /** Nothing of it goes on. What the host was asked for may still happen to the disk. */
  cancel(): void {
    this.#alarm?.cancel();
    this.#alarm = this.#answer = undefined;
    this.#context.transfer = null;
    this.#context.dma.request(0);
  }

  /** After a restored state: asks the host again for what was under way. */
  resume(): void {
    const { transfer, dma, nonDma, gated } = this.#context;
    this.#alarm?.cancel();
    this.#alarm = this.#answer = undefined;
    const requesting = transfer !== null && movesData(operationOf(transfer)) && !nonDma() && gated();
    dma.request(requesting ? 1 : 0);
    if (transfer === null) return;
    if (transfer.step === 'read' && !transfer.lost) this.#answer = this.#readSector(transfer);
    if (transfer.step === 'write' && !transfer.lost) this.#answer = this.#writeBuffer(transfer);
    this.#setAlarm(transfer.at);
  }

  /** The disk of a drive is taken out: a command that works with it fails when its step ends, whatever the host answers. */
  loseDisk(drive: number): void {
    const { transfer } = this.#context;
    if (transfer === null || driveOf(transfer) !== drive) return;
    transfer.lost = true;
    this.#answer = undefined;
    this.#setAlarm(transfer.at);
  }

  /** The host may read (or write) the FIFO. */
  get servesHost(): boolean {
    return this.#context.transfer?.step === 'host';
  }

  /** The host reads a byte from the FIFO; `servesHost`. */
  readByte(): number {
    const { transfer } = this.#context;
    const byte = transfer!.buffer[transfer!.position++];
    this.#served(transfer!);
    return byte;
  }

  writeByte(value: number): void {
    const { transfer } = this.#context;
    transfer!.buffer[transfer!.position++] = value;
    this.#served(transfer!);
  }

  /** Whether the host is to read, not to write. */
  get givesToHost(): boolean {
    return givesToHost(operationOf(this.#context.transfer!));
  }

  /** Time of a sector, or of `share` revolutions, in ns. */
  #time(transfer: Transfer, share?: number): number {
    const drive = this.#context.drive(driveOf(transfer));
    const revolution = drive?.revolution ?? DEFAULT_REVOLUTION;
    return Math.round((revolution * (share ?? 1 / (drive?.format?.sectors ?? 1))) / SPEED_UP);
  }

  #after(transfer: Transfer, step: Transfer['step'], delay: number, answer?: Pending<unknown>): void {
    transfer.step = step;
    transfer.at = this.#context.clock.now + delay;
    this.#answer = answer;
    this.#setAlarm(transfer.at);
  }

  #setAlarm(at: number): void {
    this.#alarm?.cancel();
    this.#alarm = this.#context.clock.setAlarm(at, () => this.#due(), { after: this.#answer });
  }

  /** Looks for the sector of `transfer.id`, `delay` ns from now on. */
  #seekSector(delay: number): void {
    const transfer = this.#context.transfer!;
    const operation = operationOf(transfer);
    const failure = this.#search(transfer);
    if (failure !== undefined) {
      transfer.st1 |= failure.st1;
      transfer.st2 |= failure.st2 ?? 0;
      return this.#after(transfer, 'search', delay + this.#time(transfer, SEARCH_REVOLUTIONS));
    }
    if (isWrite(operation) && this.#context.drive(driveOf(transfer))!.writeProtected) {
      transfer.st1 |= ST1.NOT_WRITABLE;
      return this.#after(transfer, 'search', delay);
    }
    if (operation === COMMAND.READ_ID) return this.#after(transfer, 'id', delay + this.#time(transfer));
    if (isWrite(operation)) {
      // A host that has to write bytes itself may begin at once; by DMA they come while the head is on its way.
      const wait = this.#context.nonDma() ? 0 : Math.round(this.#time(transfer) / 2);
      return this.#after(transfer, 'fetch', delay + wait);
    }
    this.#after(transfer, 'read', delay + this.#time(transfer), this.#readSector(transfer));
  }

  /** Why the sector is not there; undefined if it is. */
  #search(transfer: Transfer): SearchFailure | undefined {
    const context = this.#context;
    const index = driveOf(transfer);
    const drive = context.drive(index);
    const operation = operationOf(transfer);
    const cylinder = drive?.diskCylinder;
    if (drive?.format === undefined || cylinder === undefined) return NO_ADDRESS_MARK;
    if (!context.turns(index) || context.rate() !== drive.rate) return NO_ADDRESS_MARK;
    if (!hasModifier(transfer, MODIFIER.MFM) || transfer.head >= drive.format.heads) return NO_ADDRESS_MARK;
    const { sectors } = drive.format;
    const { c, h, r, n } = transfer.id;
    if (operation === COMMAND.READ_ID || operation === COMMAND.FORMAT_TRACK) return undefined;
    if (operation === COMMAND.READ_TRACK) {
      // Sectors are taken as they come; that one is not what was asked for is told at the end.
      if (transfer.done >= sectors) return NO_ADDRESS_MARK;
      const same = c === cylinder && h === transfer.head && r === transfer.done + 1 && n === SECTOR_SIZE_CODE;
      if (!same) transfer.st1 |= ST1.NO_DATA;
      return undefined;
    }
    if (c !== cylinder) return { st1: ST1.NO_DATA, st2: ST2.WRONG_CYLINDER };
    const found = h === transfer.head && n === SECTOR_SIZE_CODE && r >= 1 && r <= sectors;
    return found ? undefined : { st1: ST1.NO_DATA };
  }

  /** Number in the medium of the sector under way. */
  #sectorNumber(transfer: Transfer): number {
    const sector = operationOf(transfer) === COMMAND.READ_TRACK ? transfer.done + 1 : transfer.id.r;
    return this.#context.drive(driveOf(transfer))!.sectorNumber(transfer.head, sector);
  }

  #readSector(transfer: Transfer): Pending<Uint8Array> {
    return this.#context.drive(driveOf(transfer))!.read(this.#sectorNumber(transfer));
  }

  #due(): void {
    this.#alarm = undefined;
    const { transfer } = this.#context;
    if (transfer === null) return;
    if (transfer.lost && transfer.step !== 'search') return this.#fail(transfer, NO_ADDRESS_MARK);
    switch (transfer.step) {
      case 'search':
        return this.#fail(transfer, { st1: 0 });
      case 'id':
        return this.#end(transfer, 0, this.#passingId(transfer));
      case 'fetch':
        return this.#fetch(transfer);
      case 'read': {
        const sector = this.#answerValue(transfer);
        return sector && this.#haveRead(transfer, sector);
      }
      case 'write':
        return this.#answerValue(transfer) && this.#haveWritten(transfer);
      case 'burst':
        return this.#offerBurst(transfer);
      case 'host':
        return this.#fail(transfer, { st1: ST1.OVERRUN });
    }
  }

  /** What the host answered; undefined if it failed, with which the command has ended. */
  #answerValue(transfer: Transfer): Uint8Array | undefined {
    try {
      const { value } = this.#answer!;
      return value instanceof Uint8Array ? value : NOTHING;
    } catch (error) {
      this.#context.hostFailed(driveOf(transfer), error);
      this.#fail(transfer, { st1: ST1.DATA_ERROR, st2: ST2.DATA_ERROR });
      return undefined;
    }
  }

  /** The identification field that passes the head just now. */
  #passingId(transfer: Transfer): SectorId {
    const drive = this.#context.drive(driveOf(transfer))!;
    const { sectors } = drive.format!;
    const turned = this.#context.clock.now / (drive.revolution / SPEED_UP);
    const r = 1 + (Math.floor(turned * sectors) % sectors);
    return { c: drive.diskCylinder ?? 0, h: transfer.head, r, n: SECTOR_SIZE_CODE };
  }

  #haveRead(transfer: Transfer, sector: Uint8Array): void {
    const operation = operationOf(transfer);
    const marked = this.#context.drive(driveOf(transfer))!.hasDeletedMark(this.#sectorNumber(transfer));
    if (operation !== COMMAND.READ_TRACK && marked !== (operation === COMMAND.READ_DELETED_DATA)) {
      transfer.st2 |= ST2.CONTROL_MARK;
      if (hasModifier(transfer, MODIFIER.SK)) return this.#sectorDone(transfer);
    }
    if (operation === COMMAND.VERIFY) return this.#sectorDone(transfer);
    if (isScan(operation)) {
      transfer.onDisk = sector.slice();
      return this.#fetch(transfer);
    }
    if (this.#context.nonDma()) {
      transfer.buffer = sector.slice();
      return this.#offerHost(transfer);
    }
    const { moved, terminalCount } = this.#byDma((dma) => dma.deliver(sector));
    transfer.terminalCount = terminalCount;
    if (moved < sector.length && !terminalCount) return this.#fail(transfer, { st1: ST1.OVERRUN });
    this.#sectorDone(transfer);
  }

  /** Bytes from the host: at once by DMA, or as it writes them. */
  #fetch(transfer: Transfer): void {
    const length = bufferLength(transfer);
    transfer.buffer = new Uint8Array(length);
    if (this.#context.nonDma() && length > 0) return this.#offerHost(transfer);
    const { moved, terminalCount } = this.#byDma((dma) => dma.fetch(transfer.buffer));
    transfer.position = moved;
    transfer.terminalCount = terminalCount;
    if (moved < length && !terminalCount) return this.#fail(transfer, { st1: ST1.OVERRUN });
    this.#haveFetched(transfer);
  }

  #byDma(move: (dma: DmaChannel) => DmaProgress): DmaProgress {
    return this.#context.gated() ? move(this.#context.dma) : NO_PROGRESS;
  }

  /** The host has given all of the buffer, or what it wants: the rest is zero. */
  #haveFetched(transfer: Transfer): void {
    const operation = operationOf(transfer);
    if (transfer.lost) return this.#fail(transfer, NO_ADDRESS_MARK);
    if (isScan(operation)) {
      const result = scan(operation, transfer.onDisk, transfer.buffer);
      transfer.st2 = (transfer.st2 & ~(ST2.SCAN_EQUAL | ST2.SCAN_NOT_SATISFIED)) | result;
      if (result !== ST2.SCAN_NOT_SATISFIED) return this.#end(transfer, 0, nextId(transfer));
      return this.#sectorDone(transfer);
    }
    if (operation === COMMAND.FORMAT_TRACK) {
      if (this.#formattedSectors(transfer) === undefined) return this.#fail(transfer, { st1: ST1.NO_DATA });
      return this.#after(transfer, 'write', this.#time(transfer, 1), this.#writeBuffer(transfer));
    }
    if (this.#search(transfer) !== undefined) return this.#fail(transfer, NO_ADDRESS_MARK); // the motor went off, say
    this.#after(transfer, 'write', Math.round(this.#time(transfer) / 2), this.#writeBuffer(transfer));
  }

  /** Numbers of the sectors that a track is formatted with; undefined: the disk has no room for such a track. */
  #formattedSectors(transfer: Transfer): number[] | undefined {
    const drive = this.#context.drive(driveOf(transfer))!;
    if (this.#search(transfer) !== undefined) return undefined;
    const numbers: number[] = [];
    for (let at = 0; at + 4 <= transfer.position; at += 4) {
      const [c, h, r, n] = transfer.buffer.subarray(at, at + 4);
      const fits = c === drive.diskCylinder && h === transfer.head && r >= 1 && r <= drive.format!.sectors;
      if (!fits || n !== SECTOR_SIZE_CODE || transfer.id.n !== SECTOR_SIZE_CODE) return undefined;
      numbers.push(drive.sectorNumber(transfer.head, r));
    }
    return numbers;
  }

  #writeBuffer(transfer: Transfer): Pending<unknown> {
    const operation = operationOf(transfer);
    const drive = this.#context.drive(driveOf(transfer))!;
    if (operation === COMMAND.FORMAT_TRACK) {
      const filler = new Uint8Array(SECTOR_BYTES).fill(transfer.bytes[5]);
      return this.#write(drive, this.#formattedSectors(transfer) ?? [], filler, { flush: true });
    }
    // What a command has written is on stable storage when it ends.
    const flush = transfer.terminalCount || transfer.id.r === lastSector(transfer);
    return this.#write(drive, [this.#sectorNumber(transfer)], transfer.buffer.slice(), { flush });
  }

  #write(
    drive: FloppyDrive,
    sectors: readonly number[],
    data: Uint8Array,
    options: { flush: boolean },
  ): Pending<unknown> {
    const deleted = operationOf(this.#context.transfer!) === COMMAND.WRITE_DELETED_DATA;
    for (const sector of sectors) drive.setDeletedMark(sector, deleted);
    return drive.write(sectors, data, options);
  }

  #haveWritten(transfer: Transfer): void {
    if (operationOf(transfer) === COMMAND.FORMAT_TRACK) return this.#end(transfer, 0, transfer.id);
    this.#sectorDone(transfer);
  }

  #sectorDone(transfer: Transfer): void {
    const continuation = advance(transfer);
    if (continuation === 'next') return this.#seekSector(0);
    if (continuation === 'ended') return this.#end(transfer, 0, nextId(transfer));
    transfer.st1 |= ST1.END_OF_CYLINDER;
    this.#end(transfer, ST0.ABNORMAL, nextId(transfer));
  }

  /** The FIFO begins with a buffer: the host reads it, or fills it. */
  #offerHost(transfer: Transfer): void {
    transfer.position = 0;
    this.#offerBurst(transfer);
  }

  /** RQM and INT go up until the FIFO is empty, or full. A host that does not come within a revolution is too late. */
  #offerBurst(transfer: Transfer): void {
    const empty = !this.givesToHost && transfer.position === 0;
    const threshold = this.#context.threshold();
    const size = threshold > 1 && empty ? FIFO_SIZE : threshold;
    transfer.burst = Math.min(size, transfer.buffer.length - transfer.position);
    this.#after(transfer, 'host', this.#time(transfer, 1) * SPEED_UP);
    this.#context.interrupt(1);
  }

  #served(transfer: Transfer): void {
    if (--transfer.burst > 0) return;
    this.#context.interrupt(0);
    if (transfer.position < transfer.buffer.length) {
      const seconds = (8 * this.#context.threshold()) / BITS_PER_SECOND[this.#context.rate()] / SPEED_UP;
      return this.#after(transfer, 'burst', Math.round(1e9 * seconds));
    }
    this.#alarm?.cancel();
    if (this.givesToHost) this.#sectorDone(transfer);
    else this.#haveFetched(transfer);
  }

  #fail(transfer: Transfer, { st1, st2 = 0 }: SearchFailure): void {
    transfer.st1 |= st1;
    transfer.st2 |= st2;
    this.#end(transfer, ST0.ABNORMAL, transfer.id);
  }

  #end(transfer: Transfer, condition: number, { c, h, r, n }: SectorId): void {
    const seek = transfer.soughtCylinder ? ST0.SEEK_END : 0;
    const st0 = condition | seek | (transfer.head << 2) | driveOf(transfer);
    this.cancel();
    this.#context.finish([st0, transfer.st1, transfer.st2, c, h, r, n]);
  }
}
