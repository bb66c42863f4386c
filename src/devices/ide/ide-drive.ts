/**
 * What ATA devices have in common: registers, status, interrupt, the ways in which data go, resets, and requests to the
 * medium. ATA/ATAPI-6 (T13/1410D), clauses 7 and 9. What a command means is the disk's or the CD's own.
 *
 * A request takes guest time that depends on it alone; if the host has not answered by then, guest time stands still.
 * Of a drive, at most one request is on its way: what a reset cuts off is waited for before the reset ends. So nothing a
 * guest does makes requests pile up, and a write that has been issued takes place whatever happens.
 */
import { Pending } from '../../base/pending.ts';
import type { Alarm, VirtualClock } from '../../base/virtual-clock.ts';
import type { Device } from '../../bus/device.ts';
import type { Medium } from '../../bus/medium.ts';
import { COMMAND, DEVICE, DIAGNOSTIC_PASSED, ERROR, READY, REGISTER, STATUS } from './registers.ts';

/** Who moves data between the drive and memory. Both say how many bytes they moved: fewer, if they could not go on. */
export interface DmaHost {
  toMemory(bytes: Uint8Array): number;
  fromMemory(bytes: Uint8Array): number;
}

/** What a drive finds at its connector. */
export interface DriveBus {
  readonly dma: DmaHost | undefined;
  readonly interruptChanged: () => void;
}

export type MediumRequest =
  /** Bytes. What is written is at the beginning of the buffer. */
  { readonly kind: 'read' | 'write'; readonly offset: number; readonly length: number } | { readonly kind: 'flush' };

export type Activity = 'idle' | 'working' | 'resetting' | 'pio-in' | 'pio-out' | 'dma-in' | 'dma-out';

export interface DriveState {
  /** The command block by offset, as last written or answered; and what each register held before that. */
  registers: Uint8Array;
  previous: Uint8Array;
  status: number;
  error: number;
  interrupt: boolean;
  command: number;
  activity: Activity;
  /** Guest time (ns) at which the work or the reset ends, or DMA goes on; undefined while others have to act first. */
  due: number | undefined;
  /** The reset ends with an interrupt. */
  announces: boolean;
  request: MediumRequest | undefined;
  /** Data on their way, and of them the block that the host now moves. */
  buffer: Uint8Array;
  position: number;
  end: number;
}

export interface IdeDriveOptions {
  readonly name: string;
  readonly clock: VirtualClock;
  /** Told the first time that the host could not read or write: one line for the user. */
  readonly onHostError?: ((line: string) => void) | undefined;
}

/**
 * Guest times in ns: those of a fast solid-state drive, 1 GB/s. Of a guest whose time follows the wall clock, they are what
 * its throughput can be at most. No driver minds that no drive on this cable was ever so fast.
 */
export const TIME = { RESET: 200_000, COMMAND: 2_000, DMA_REQUEST: 500, ACCESS: 25_000, PER_BYTE: 1 } as const;
/** Bytes that are asked of the medium at once, at most. */
export const CHUNK = 128 * 1024;
/** Size of the register files. */
const REGISTERS = 8;
const NOTHING = new Uint8Array(0);

export const createDriveState = (): DriveState => ({
  registers: new Uint8Array(REGISTERS),
  previous: new Uint8Array(REGISTERS),
  status: STATUS.BSY,
  error: 0,
  interrupt: false,
  command: 0,
  activity: 'idle',
  due: undefined,
  announces: false,
  request: undefined,
  buffer: NOTHING,
  position: 0,
  end: 0,
});

export abstract class IdeDrive implements Device {
  readonly name: string;
  abstract readonly stateVersion: number;
  abstract readonly state: DriveState;
  readonly #clock: VirtualClock;
  readonly #onHostError: (line: string) => void;
  #bus: DriveBus = { dma: undefined, interruptChanged: () => {} };
  #alarm: Alarm | undefined;
  /** What the medium was asked for and has not been taken back. */
  #issued: { readonly request: MediumRequest; readonly answer: Pending<Uint8Array> } | undefined;
  #hostErrorTold = false;
  /** Of `provideBuffer`: of a drive at most one request is on its way. */
  #space = NOTHING;

  constructor({ name, clock, onHostError = () => {} }: IdeDriveOptions) {
    this.name = name;
    this.#clock = clock;
    this.#onHostError = onHostError;
  }

  connect(bus: DriveBus): void {
    this.#bus = bus;
  }

  /** BSY or DRQ: what is written to the command block has no effect. */
  get engaged(): boolean {
    return (this.state.status & (STATUS.BSY | STATUS.DRQ)) !== 0;
  }

  /** A register of the command block but for the data register. `previous`: what HOB selects. Reading it changes nothing. */
  readRegister(offset: number, { previous = false } = {}): number {
    const { state } = this;
    if (offset === REGISTER.COMMAND) return state.status;
    if (offset === REGISTER.FEATURES) return state.error;
    return (previous ? state.previous : state.registers)[offset];
  }

  /** FEATURES to DEVICE. */
  writeRegister(offset: number, value: number): void {
    if (this.engaged) return;
    const { registers, previous } = this.state;
    previous[offset] = registers[offset];
    registers[offset] = value;
  }

  writeCommand(command: number): void {
    const { state } = this;
    if (this.isPacketDevice && command === COMMAND.DEVICE_RESET) {
      // The one command that is taken at any time but during a reset.
      if (state.activity === 'resetting') return;
      this.#enterReset({ due: this.#clock.now + TIME.COMMAND });
      return this.resume();
    }
    if (this.engaged) return;
    this.#setInterrupt(false);
    state.command = command;
    state.error = 0;
    state.status = READY;
    this.execute(command);
  }

  /** The host has read the status register: that acknowledges the interrupt. */
  acknowledge(): void {
    this.#setInterrupt(false);
  }

  /** The data register. `size`: bytes, 1, 2 or 4. Where no data are due, it reads 0 and takes nothing. */
  readData(size: 1 | 2 | 4): number {
    const { state } = this;
    if (state.activity !== 'pio-in') return 0;
    const { buffer, position, end } = state;
    let value = 0;
    for (let at = Math.min(position + size, end) - 1; at >= position; at--) value = ((value << 8) | buffer[at]) >>> 0;
    this.#move(size);
    return value;
  }

  writeData(value: number, size: 1 | 2 | 4): void {
    const { state } = this;
    if (state.activity !== 'pio-out') return;
    const { buffer, position, end } = state;
    for (let at = position, rest = value; at < Math.min(position + size, end); at++, rest >>>= 8) buffer[at] = rest;
    this.#move(size);
  }

  /**
   * The bus master may be able to move data now. That takes place between instructions: none finds that its code is
   * another one since it began.
   */
  moveByDma(): void {
    const { state } = this;
    if (!this.#waitsForDma || state.due !== undefined) return;
    state.due = this.#clock.now + TIME.DMA_REQUEST;
    this.#await();
  }

  /** SRST in the device control register. */
  softReset({ asserted }: { readonly asserted: boolean }): void {
    this.#enterReset({ due: asserted ? undefined : this.#clock.now + TIME.RESET });
    this.state.registers[REGISTER.DEVICE] = 0;
    this.afterReset('soft');
    this.resume();
  }

  /** EXECUTE DEVICE DIAGNOSTIC goes to both drives; device 0 alone interrupts. */
  diagnose({ announces }: { readonly announces: boolean }): void {
    this.#enterReset({ due: this.#clock.now + TIME.RESET, announces });
    this.state.registers[REGISTER.DEVICE] = 0;
    this.resume();
  }

  reset(): void {
    this.#enterReset({ due: this.#clock.now + TIME.RESET });
    Object.assign(this.state, { command: 0, error: 0 });
    this.state.registers.fill(0);
    this.state.previous.fill(0);
    this.afterReset('hard');
  }

  resume(): void {
    // What was issued before a state was put back may still hold it.
    this.#space = NOTHING;
    this.#await();
    this.#bus.interruptChanged();
  }

  /** PACKET devices have a signature of their own, and are not ready after a reset before they have been spoken to. */
  protected abstract readonly isPacketDevice: boolean;
  protected abstract readonly medium: Medium | undefined;
  /** A command has been written, and can begin. */
  protected abstract execute(command: number): void;
  /** What `work` has waited for is over. Of a read, the bytes are the buffer. `failed`: the medium could not. */
  protected abstract arrived(outcome: { readonly failed: boolean }): void;
  /** The host has moved the block that it was offered. */
  protected abstract moved(): void;
  /** A reset has begun: settings go back. */
  protected abstract afterReset(kind: 'hard' | 'soft'): void;

  /** Busy for `duration` ns, and with a request at least until the medium has answered; then `arrived`. */
  protected work(duration: number, request?: MediumRequest): void {
    const { state } = this;
    state.activity = 'working';
    state.status = STATUS.BSY;
    state.due = this.#clock.now + duration;
    state.request = request;
    this.#await();
  }

  protected setBuffer(bytes: Uint8Array): void {
    Object.assign(this.state, { buffer: bytes, position: 0, end: 0 });
  }

  /** An empty buffer to be filled and written. A new one each time would cost the host more than what is done with it. */
  protected provideBuffer(length: number): void {
    if (this.#space.length !== length) this.#space = new Uint8Array(length);
    else this.#space.fill(0);
    this.setBuffer(this.#space);
  }

  /** Offers the next `length` bytes of the buffer at the data register, or asks for them there; then `moved`. */
  protected moveByPio(way: 'in' | 'out', length: number, { interrupt = true } = {}): void {
    const { state } = this;
    state.activity = `pio-${way}`;
    state.end = state.position + length;
    state.status = READY | STATUS.DRQ;
    if (interrupt) this.#setInterrupt(true);
  }

  /** Moves the buffer as soon as the bus master can; then `moved`. */
  protected requestDma(way: 'in' | 'out'): void {
    const { state } = this;
    state.activity = `dma-${way}`;
    state.end = state.buffer.length;
    state.status = READY | STATUS.DRQ;
    this.moveByDma();
  }

  /** The command has ended as it should. */
  protected finish({ interrupt = true } = {}): void {
    this.#end(READY, interrupt);
  }

  /** The command has ended with an error. `status`: bits besides ERR. */
  protected fail(error: number, { status = 0 } = {}): void {
    this.state.error = error;
    this.#end(READY | STATUS.ERR | status, true);
  }

  /** Abort, with the signature in the registers: what a packet device does with IDENTIFY DEVICE and READ SECTOR(S). */
  protected failWithSignature(): void {
    this.#showSignature();
    this.fail(ERROR.ABRT);
  }

  #end(status: number, interrupt: boolean): void {
    this.state.activity = 'idle';
    this.state.status = status;
    this.setBuffer(NOTHING);
    if (interrupt) this.#setInterrupt(true);
  }

  #setInterrupt(pending: boolean): void {
    if (this.state.interrupt === pending) return;
    this.state.interrupt = pending;
    this.#bus.interruptChanged();
  }

  #move(size: number): void {
    const { state } = this;
    state.position = Math.min(state.position + size, state.end);
    if (state.position === state.end) this.#blockMoved();
  }

  get #waitsForDma(): boolean {
    return this.state.activity === 'dma-in' || this.state.activity === 'dma-out';
  }

  /** As much as the bus master can. */
  #moveNow(): void {
    const { state } = this;
    const { dma } = this.#bus;
    if (dma === undefined) return;
    const block = state.buffer.subarray(state.position, state.end);
    state.position += state.activity === 'dma-in' ? dma.toMemory(block) : dma.fromMemory(block);
    if (state.position === state.end) this.#blockMoved();
  }

  #blockMoved(): void {
    this.state.status = READY;
    this.moved();
  }

  #enterReset({ due, announces = false }: { due: number | undefined; announces?: boolean }): void {
    const { state } = this;
    // A write on its way will take place: who restores this state has to do it, too.
    if (state.request?.kind !== 'write') {
      state.request = undefined;
      this.setBuffer(NOTHING);
    }
    state.activity = 'resetting';
    state.status = STATUS.BSY;
    state.due = due;
    state.announces = announces;
    state.interrupt = false;
  }

  #endReset(): void {
    const { state } = this;
    const { announces } = state;
    state.announces = false;
    state.error = DIAGNOSTIC_PASSED;
    this.#showSignature();
    this.#end(this.isPacketDevice ? 0 : READY, announces);
  }

  /** Clause 9.12. Which device is selected stays as it is. */
  #showSignature(): void {
    const { registers, previous } = this.state;
    const selection = registers[REGISTER.DEVICE] & DEVICE.DEV;
    previous.fill(0);
    registers.fill(0);
    registers[REGISTER.DEVICE] = selection;
    registers[REGISTER.COUNT] = 0x01;
    registers[REGISTER.LBA_LOW] = 0x01;
    if (!this.isPacketDevice) return;
    registers[REGISTER.LBA_MID] = 0x14;
    registers[REGISTER.LBA_HIGH] = 0xeb;
  }

  /** Asks for what is to be asked for, and sets the alarm. */
  #await(): void {
    const { request, due } = this.state;
    this.#alarm?.cancel();
    this.#alarm = undefined;
    if (request !== undefined && this.#issued?.request !== request)
      this.#issued = { request, answer: new Pending(() => this.#ask(request)) };
    if (due === undefined) return;
    const after = this.#issued && { after: this.#issued.answer };
    this.#alarm = this.#clock.setAlarm(due, () => this.#workDone(), after);
  }

  /** What is no read brings no bytes. */
  #ask(request: MediumRequest): Uint8Array | Promise<Uint8Array> {
    const { medium } = this;
    if (medium === undefined) throw new Error('there is no medium');
    if (request.kind === 'read') return medium.read(request.offset, request.length);
    const done =
      request.kind === 'flush'
        ? medium.flush()
        : medium.write(request.offset, this.state.buffer.subarray(0, request.length));
    return done instanceof Promise ? done.then(() => NOTHING) : NOTHING;
  }

  #workDone(): void {
    const { state } = this;
    this.#alarm = undefined;
    const failed = !this.#takeAnswer();
    state.request = undefined;
    state.due = undefined;
    if (state.activity === 'resetting') this.#endReset();
    else if (this.#waitsForDma) this.#moveNow();
    else this.arrived({ failed });
  }

  /** @returns whether the medium did what it was asked for */
  #takeAnswer(): boolean {
    const issued = this.#issued;
    if (issued === undefined) return true;
    this.#issued = undefined;
    try {
      const bytes = issued.answer.value;
      // A reset, or a state that was restored, wants nothing of it.
      if (issued.request === this.state.request && issued.request.kind === 'read')
        this.#takeBytes(bytes, issued.request);
      return true;
    } catch (error) {
      if (!this.#hostErrorTold) this.#onHostError(`${this.name}: ${(error as Error).message}`);
      this.#hostErrorTold = true;
      return false;
    }
  }

  #takeBytes(bytes: Uint8Array, { length }: { length: number }): void {
    if (bytes.length !== length) throw new Error(`${bytes.length} bytes have come instead of ${length}`);
    this.setBuffer(bytes);
  }
}
