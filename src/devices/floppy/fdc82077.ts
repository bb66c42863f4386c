/**
 * Floppy Disk Controller. Intel 82077AA datasheet, order number 290166, wired as in a PC/AT, with two drives.
 *
 * Commands are taken and answered here; `transfer-runner.ts` carries out those that touch the disk. Step rates are those
 * of the datasheet; what else goes faster than on a real drive is said there.
 *
 * Not modelled: formats other than the disk's own (FORMAT TRACK with another ends in "no data"), FM, gap lengths,
 * write precompensation, power down, head load and unload times, where a sector stands when it is asked for, polling
 * of drives that become ready, tape drives, the step and index pins in status register A. SRA and SRB read as in PS/2
 * mode (in AT mode nothing drives them). A drive without a disk, or whose motor stands, answers as a disk without
 * address marks; a real controller would wait for index pulses for ever. In non-DMA mode the disk waits for the host,
 * up to a revolution, before that is an overrun.
 */
import { bit } from '../../base/bits.ts';
import type { Alarm, VirtualClock } from '../../base/virtual-clock.ts';
import type { Device } from '../../bus/device.ts';
import type { DmaChannel } from '../../bus/dma-channel.ts';
import type { IrqLine } from '../../bus/irq-line.ts';
import type { Medium } from '../../bus/medium.ts';
import type { PortDevice } from '../../bus/port-bus.ts';
import { COMMAND, commandLength, commandOf, MODIFIER } from './command-set.ts';
import { COMMAND_TIME, CONFIGURE, controllerState, DSR, powerOnState } from './controller-state.ts';
import { FloppyDrive, type FloppyDrives } from './floppy-drive.ts';
import type { Rate } from './floppy-format.ts';
import { HeadPositioner } from './head-positioner.ts';
import { ST0, ST3 } from './status-bits.ts';
import { TransferRunner } from './transfer-runner.ts';

/** Offsets from 3F0h; two names where reading and writing differ. 3F6h belongs to the IDE interface. */
const REGISTER = { SRA: 0, SRB: 1, DOR: 2, TDR: 3, MSR_DSR: 4, FIFO: 5, DIR_CCR: 7 } as const;
const SRA = { INT_PENDING: 7, NO_SECOND_DRIVE: 6, NOT_TRACK_0: 4, NO_INDEX: 2, WRITABLE: 1 } as const;
const SRB_ALWAYS = 0xc0;
const DOR = { SELECT: 0x03, RESET: 0x04, DMAGATE: 0x08, MOTORS: 4 } as const;
const MSR = { RQM: 0x80, DIO: 0x40, NON_DMA: 0x20, BUSY: 0x10 } as const;
const DIR_CHANGED = 7;
/** Bits that the controller does not drive. */
const FLOATING = 0xff;
const PERPENDICULAR = { OVERWRITE: 0x80, DRIVES: 0x3c, GAP_AND_GATE: 0x03, ALL: 0x3f } as const;
const VERSION = 0x90;
const FIFO_SIZE = 16;
/** Bytes that a command with sectors returns. */
const TRANSFER_RESULT = 7;
const DRIVE_LETTERS = 'AB';

export interface Fdc82077Options {
  readonly clock: VirtualClock;
  readonly irq: IrqLine;
  readonly dma: DmaChannel;
  readonly drives: FloppyDrives;
  /** One line, once for each disk put in: the host failed to read or write it. */
  readonly onHostError?: ((line: string) => void) | undefined;
}

export class Fdc82077 implements PortDevice, Device {
  readonly name = 'fdc';
  readonly stateVersion = 1;
  readonly state = powerOnState();
  readonly drives: readonly FloppyDrive[];
  readonly #clock: VirtualClock;
  readonly #irq: IrqLine;
  readonly #heads: HeadPositioner;
  readonly #runner: TransferRunner;
  readonly #onHostError: (line: string) => void;
  readonly #reported = new Set<number>();
  #ready: Alarm | undefined;

  /** @throws UserError for a disk that does not go into its drive */
  constructor(options: Fdc82077Options) {
    this.#clock = options.clock;
    this.#irq = options.irq;
    this.#onHostError = options.onHostError ?? (() => {});
    this.drives = options.drives.map((drive, index) => new FloppyDrive(drive, () => this.state.drives[index]));
    const { clock } = options;
    const arrived = () => this.#interrupt(1);
    this.#heads = new HeadPositioner({ clock, state: this.state, drives: this.drives, arrived });
    this.#runner = this.#createRunner(options.dma);
  }

  /** Puts a disk into drive A (0) or B (1), in place of what is there. @throws UserError if it does not go into it */
  insert(drive: number, medium: Medium): void {
    this.drives[drive].insert(medium);
    this.#changed(drive);
  }

  eject(drive: number): void {
    this.drives[drive].eject();
    this.#changed(drive);
  }

  readPort(offset: number): number {
    const { state } = this;
    switch (offset) {
      case REGISTER.SRA:
        return this.#statusA();
      case REGISTER.SRB:
        return SRB_ALWAYS | (bit(state.dor, 0) << 5) | ((state.dor >>> DOR.MOTORS) & 3);
      case REGISTER.DOR:
        return state.dor;
      case REGISTER.TDR:
        return (FLOATING & ~3) | state.tdr;
      case REGISTER.MSR_DSR:
        return this.#mainStatus();
      case REGISTER.FIFO:
        return this.#readFifo();
      case REGISTER.DIR_CCR: {
        const selected = state.dor & DOR.SELECT;
        const changed = this.drives[selected] !== undefined && state.drives[selected].changed;
        return (FLOATING >>> 1) | ((changed ? 1 : 0) << DIR_CHANGED);
      }
      default:
        return FLOATING;
    }
  }

  writePort(offset: number, value: number): void {
    const { state } = this;
    switch (offset) {
      case REGISTER.DOR:
        return this.#writeDor(value);
      case REGISTER.TDR:
        state.tdr = value & 3;
        return;
      case REGISTER.MSR_DSR:
        state.dsr = value & ~DSR.RESET;
        if (value & DSR.RESET && state.dor & DOR.RESET) {
          this.#enterReset();
          this.#leaveReset();
        }
        return;
      case REGISTER.FIFO:
        return this.#writeFifo(value);
      case REGISTER.DIR_CCR:
        state.dsr = (state.dsr & ~DSR.RATE) | (value & DSR.RATE);
        return;
    }
  }

  reset(): void {
    // The pin does not reach the drives.
    Object.assign(this.state, controllerState());
  }

  resume(): void {
    const { state } = this;
    this.#ready?.cancel();
    if (state.readyAt !== null) this.#ready = this.#clock.setAlarm(state.readyAt, () => this.#resetDone());
    this.#heads.resume();
    this.#runner.resume();
    this.#updateIrq();
  }

  #createRunner(dma: DmaChannel): TransferRunner {
    const fdc = this;
    return new TransferRunner({
      clock: this.#clock,
      dma,
      get transfer() {
        return fdc.state.transfer;
      },
      set transfer(transfer) {
        fdc.state.transfer = transfer;
      },
      drive: (index) => this.drives[index],
      turns: (index) => bit(this.state.dor, DOR.MOTORS + index) === 1,
      rate: () => this.#rate,
      nonDma: () => this.#nonDma,
      gated: () => (this.state.dor & DOR.DMAGATE) !== 0,
      threshold: () =>
        this.state.configure & CONFIGURE.NO_FIFO ? 1 : FIFO_SIZE - (this.state.configure & CONFIGURE.THRESHOLD),
      implySeek: (drive, cylinder) => this.#heads.implySeek(drive, cylinder),
      interrupt: (level) => this.#interrupt(level),
      finish: (result) => {
        this.#interrupt(1);
        this.#answer(...result);
      },
      hostFailed: (drive, error) => this.#hostFailed(drive, error),
    });
  }

  get #rate(): Rate {
    return (this.state.dsr & DSR.RATE) as Rate;
  }

  get #nonDma(): boolean {
    return bit(this.state.specify[1], 0) === 1;
  }

  #statusA(): number {
    const { state } = this;
    const drive = this.drives[state.dor & DOR.SELECT];
    return (
      (state.interrupt << SRA.INT_PENDING) |
      ((this.drives.length < 2 ? 1 : 0) << SRA.NO_SECOND_DRIVE) |
      ((drive?.atTrack0 ? 0 : 1) << SRA.NOT_TRACK_0) |
      (1 << SRA.NO_INDEX) |
      ((drive?.writeProtected ? 0 : 1) << SRA.WRITABLE)
    );
  }

  #mainStatus(): number {
    const { phase, command } = this.state;
    const { busy } = this.#heads;
    switch (phase) {
      case 'reset':
        return 0;
      case 'command':
        return MSR.RQM | (command.length > 0 ? MSR.BUSY : 0) | busy;
      case 'execution': {
        const ready = this.#runner.servesHost ? MSR.RQM | (this.#runner.givesToHost ? MSR.DIO : 0) : 0;
        return MSR.BUSY | (this.#nonDma ? MSR.NON_DMA : 0) | ready | busy;
      }
      case 'result':
        return MSR.RQM | MSR.DIO | MSR.BUSY | busy;
    }
  }

  #writeDor(value: number): void {
    const { state } = this;
    const before = state.dor;
    state.dor = value;
    if (before & DOR.RESET && !(value & DOR.RESET)) this.#enterReset();
    if (!(before & DOR.RESET) && value & DOR.RESET) this.#leaveReset();
    this.#updateIrq(); // DMAGATE
  }

  /** A reset by DOR or DSR. The data rate, SPECIFY and what LOCK protects outlive it. */
  #enterReset(): void {
    const { state } = this;
    this.#ready?.cancel();
    this.#runner.cancel();
    const { phase, readyAt, command, result, unsensed, presentCylinders, seeks, configure } = controllerState();
    Object.assign(state, { phase, readyAt, command, result, unsensed, presentCylinders, seeks });
    this.#heads.resume();
    state.perpendicular &= PERPENDICULAR.DRIVES;
    if (state.locked) state.configure &= ~CONFIGURE.IMPLIED_SEEK;
    else {
      state.configure = configure;
      state.precompensationTrack = 0;
    }
    this.#interrupt(0);
  }

  #leaveReset(): void {
    this.state.readyAt = this.#clock.now + COMMAND_TIME;
    this.#ready = this.#clock.setAlarm(this.state.readyAt, () => this.#resetDone());
  }

  /** Polling finds that the ready line of each drive has changed. */
  #resetDone(): void {
    const { state } = this;
    state.readyAt = null;
    state.phase = 'command';
    state.unsensed = state.unsensed.map((_, drive) => ST0.POLLING | drive);
    this.#interrupt(1);
  }

  #readFifo(): number {
    const { state } = this;
    if (state.phase === 'execution' && this.#runner.servesHost && this.#runner.givesToHost)
      return this.#runner.readByte();
    if (state.phase !== 'result') return FLOATING;
    if (state.result.length === TRANSFER_RESULT) this.#interrupt(0);
    const byte = state.result.shift()!;
    if (state.result.length === 0) this.#awaitCommand();
    return byte;
  }

  #writeFifo(value: number): void {
    const { state } = this;
    if (state.phase === 'execution' && this.#runner.servesHost && !this.#runner.givesToHost)
      return this.#runner.writeByte(value);
    if (state.phase !== 'command') return;
    state.command.push(value);
    const length = commandLength(state.command[0]);
    if (length === undefined) return this.#answer(ST0.INVALID);
    if (state.command.length === length) this.#execute(state.command);
  }

  #execute(bytes: readonly number[]): void {
    const { state } = this;
    const [first, second, third] = bytes;
    switch (commandOf(first)) {
      case COMMAND.SPECIFY:
        state.specify = [second, third];
        return this.#awaitCommand();
      case COMMAND.SENSE_DRIVE_STATUS:
        return this.#answer(this.#driveStatus(second & 7));
      case COMMAND.RECALIBRATE:
        this.#heads.recalibrate(second & 3);
        return this.#awaitCommand();
      case COMMAND.SENSE_INTERRUPT_STATUS:
        return this.#senseInterrupt();
      case COMMAND.DUMPREG:
        return this.#dumpRegisters();
      case COMMAND.SEEK:
        if (!(first & MODIFIER.RELATIVE)) this.#heads.seek(second & 3, third);
        else this.#heads.seekRelative(second & 3, first & MODIFIER.INWARDS ? third : -third);
        return this.#awaitCommand();
      case COMMAND.VERSION:
        return this.#answer(VERSION);
      case COMMAND.PERPENDICULAR_MODE: {
        const kept = second & PERPENDICULAR.OVERWRITE ? 0 : state.perpendicular & PERPENDICULAR.DRIVES;
        const taken = second & PERPENDICULAR.OVERWRITE ? PERPENDICULAR.ALL : PERPENDICULAR.GAP_AND_GATE;
        state.perpendicular = kept | (second & taken);
        return this.#awaitCommand();
      }
      case COMMAND.CONFIGURE:
        state.configure = third & 0x7f;
        state.precompensationTrack = bytes[3];
        return this.#awaitCommand();
      case COMMAND.LOCK:
        state.locked = first & MODIFIER.LOCK ? 1 : 0;
        return this.#answer(state.locked << 4);
      default:
        return this.#beginTransfer(bytes);
    }
  }

  #beginTransfer(bytes: readonly number[]): void {
    const { state } = this;
    if (commandOf(bytes[0]) === COMMAND.FORMAT_TRACK) state.lastSector = bytes[3];
    else if (bytes.length > 6) state.lastSector = bytes[6];
    state.phase = 'execution';
    state.command = [];
    this.#runner.begin(bytes);
  }

  #dumpRegisters(): void {
    const { presentCylinders, specify, lastSector, locked, perpendicular, configure, precompensationTrack } =
      this.state;
    const modes = (locked << 7) | perpendicular;
    this.#answer(...presentCylinders, ...specify, lastSector, modes, configure, precompensationTrack);
  }

  /** `select`: drive and head as in the command. */
  #driveStatus(select: number): number {
    const drive = this.drives[select & 3];
    const protection = drive?.writeProtected ? ST3.WRITE_PROTECTED : 0;
    return ST3.ALWAYS | protection | (drive?.atTrack0 ? ST3.TRACK_0 : 0) | select;
  }

  #senseInterrupt(): void {
    const { state } = this;
    const drive = this.#heads.sense();
    if (drive === undefined) return this.#answer(ST0.INVALID);
    const status = state.unsensed[drive];
    state.unsensed[drive] = 0;
    this.#interrupt(0);
    this.#answer(status, state.presentCylinders[drive]);
  }

  /** Enters the result phase. */
  #answer(...bytes: number[]): void {
    this.state.command = [];
    this.state.result = bytes;
    this.state.phase = 'result';
  }

  #awaitCommand(): void {
    const { state } = this;
    state.command = [];
    state.phase = 'command';
    // The end of a seek that came in between, or of another drive's.
    if (this.#heads.hasArrival) this.#interrupt(1);
  }

  #interrupt(level: 0 | 1): void {
    this.state.interrupt = level;
    this.#updateIrq();
  }

  #updateIrq(): void {
    const { interrupt, dor } = this.state;
    this.#irq.set(interrupt && dor & DOR.DMAGATE ? 1 : 0);
  }

  #changed(drive: number): void {
    this.#runner.loseDisk(drive);
    this.#reported.delete(drive);
  }

  #hostFailed(drive: number, error: unknown): void {
    if (this.#reported.has(drive)) return;
    this.#reported.add(drive);
    const reason = error instanceof Error ? error.message : String(error);
    this.#onHostError(`floppy ${DRIVE_LETTERS[drive]}: ${reason}`);
  }
}
