/**
 * A hard disk: ATA/ATAPI-6 (T13/1410D), clause 8, over a medium of 512-byte sectors.
 *
 * With its write cache on, a write ends when the medium has taken it; FLUSH CACHE, writes with forced unit access, and all
 * writes while the cache is off end when it is on stable storage. If the medium fails in the midst of many sectors, they
 * are tried one by one (or block by block), so that the one that cannot be read is named.
 *
 * Not modelled: SMART, security, host protected area (the native maximum is the capacity), device configuration, logs,
 * microcode, queued commands, READ/WRITE LONG and BUFFER: all aborted, as IDENTIFY says. Standby timers: no time passes
 * until a drive is asked for standby; spinning up takes none.
 */
import { UserError } from '../../base/errors.ts';
import type { Medium } from '../../bus/medium.ts';
import {
  DISK_COMMAND,
  FEATURE,
  isRecalibrate,
  isSeek,
  POWER_CODE,
  POWER_COMMANDS,
  type PowerMode,
  TRANSFERS,
  type TransferCommand,
} from './ata-commands.ts';
import { defaultGeometry, fromLba, type Geometry, toLba, translatedGeometry } from './geometry.ts';
import { CHUNK, createDriveState, IdeDrive, type IdeDriveOptions, TIME } from './ide-drive.ts';
import { type DriveIdentity, IDENTIFY_LENGTH, identifyDevice, MOST_MULTIPLE } from './identify-data.ts';
import { DEVICE, ERROR, REGISTER, STATUS } from './registers.ts';
import { chooseTransferMode, DEFAULT_TRANSFER_MODE, type TransferMode } from './transfer-mode.ts';

export const SECTOR = 512;
const CHUNK_SECTORS = CHUNK / SECTOR;
const LAST_LBA28 = 0x0fff_ffff;
const BYTE = 0x100;
const THREE_BYTES = 0x100_0000;

/** A command that moves sectors, as far as it has come. */
interface Transfer {
  readonly direction: TransferCommand['direction'];
  readonly by: TransferCommand['by'];
  readonly extended: boolean;
  /** Sectors that the host moves between two interrupts. */
  readonly block: number;
  /** It ends with a flush. */
  readonly durable: boolean;
  /** The next sector, and how many there are from it on. */
  lba: number;
  remaining: number;
  /** Sectors that are asked of the medium at once. */
  chunk: number;
  flushing: boolean;
}

/** What a reset takes back unless SET FEATURES says otherwise. */
const defaults = () => ({
  /** Sectors in a block of READ and WRITE MULTIPLE; 0: they are off. */
  multiple: MOST_MULTIPLE,
  writeCache: true,
  lookAhead: true,
});

export interface AtaDiskOptions extends IdeDriveOptions {
  readonly medium: Medium;
  readonly identity: DriveIdentity;
}

export class AtaDisk extends IdeDrive {
  readonly stateVersion = 1;
  readonly state = {
    ...createDriveState(),
    ...defaults(),
    /** Current translation. */
    heads: 0,
    sectors: 0,
    transferMode: DEFAULT_TRANSFER_MODE as TransferMode,
    /** A soft reset takes settings back. */
    reverts: true,
    power: 'active' as PowerMode,
    transfer: undefined as Transfer | undefined,
  };
  protected readonly isPacketDevice = false;
  protected readonly medium: Medium;
  readonly #identity: DriveIdentity;
  readonly #totalSectors: number;
  /** What it says it has after power-on. */
  readonly defaultGeometry: Geometry;

  /** @throws UserError if the medium has not even one sector */
  constructor({ medium, identity, ...options }: AtaDiskOptions) {
    super(options);
    this.medium = medium;
    this.#identity = identity;
    this.#totalSectors = Math.floor(medium.size / SECTOR);
    if (this.#totalSectors === 0) throw new UserError(`${this.name}: a disk of ${medium.size} bytes has no sector`);
    this.defaultGeometry = defaultGeometry(this.#totalSectors);
    this.reset();
    this.resume();
  }

  get #geometry(): Geometry {
    return translatedGeometry(this.#totalSectors, this.state.heads, this.state.sectors);
  }

  protected afterReset(kind: 'hard' | 'soft'): void {
    const { state } = this;
    state.transfer = undefined;
    state.power = 'active';
    if (kind === 'soft' && !state.reverts) return;
    const { heads, sectors } = this.defaultGeometry;
    Object.assign(state, defaults(), { heads, sectors });
    if (kind === 'hard') Object.assign(state, { reverts: true, transferMode: DEFAULT_TRANSFER_MODE });
  }

  protected execute(command: number): void {
    const { state } = this;
    // Of sleep, only a reset wakes.
    if (state.power === 'sleep') return;
    const transfer = TRANSFERS[command];
    const power = POWER_COMMANDS[command];
    if (transfer !== undefined) this.#beginTransfer(transfer);
    else if (power !== undefined) this.#setPower(power);
    else if (isRecalibrate(command)) this.work(TIME.ACCESS);
    else if (isSeek(command)) this.#seek();
    else this.#executeOther(command);
  }

  protected arrived({ failed }: { readonly failed: boolean }): void {
    const { transfer, buffer } = this.state;
    if (failed) this.#mediumFailed(transfer);
    else if (transfer !== undefined) this.#advance(transfer);
    else if (buffer.length > 0) this.moveByPio('in', IDENTIFY_LENGTH);
    else this.finish();
  }

  protected moved(): void {
    const { transfer, position, buffer } = this.state;
    if (transfer === undefined) this.finish({ interrupt: false });
    else if (position < buffer.length) this.work(TIME.PER_BYTE * transfer.block * SECTOR);
    else if (transfer.direction === 'write') this.#write(transfer);
    else this.#chunkDone(transfer);
  }

  #executeOther(command: number): void {
    const { state } = this;
    switch (command) {
      case DISK_COMMAND.IDENTIFY_DEVICE:
        this.setBuffer(this.#identify());
        return this.work(TIME.COMMAND);
      case DISK_COMMAND.FLUSH_CACHE:
      case DISK_COMMAND.FLUSH_CACHE_EXT:
        return this.work(TIME.ACCESS, { kind: 'flush' });
      case DISK_COMMAND.SET_MULTIPLE_MODE:
        return this.#setMultiple(state.registers[REGISTER.COUNT]);
      case DISK_COMMAND.INITIALIZE_DEVICE_PARAMETERS:
        return this.#initializeParameters();
      case DISK_COMMAND.READ_NATIVE_MAX_ADDRESS:
        this.#postLba(Math.min(this.#totalSectors - 1, LAST_LBA28), { extended: false });
        return this.work(TIME.COMMAND);
      case DISK_COMMAND.READ_NATIVE_MAX_ADDRESS_EXT:
        this.#postLba(this.#totalSectors - 1, { extended: true });
        return this.work(TIME.COMMAND);
      case DISK_COMMAND.SET_FEATURES:
        return this.#setFeatures();
      default:
        return this.fail(ERROR.ABRT);
    }
  }

  #identify(): Uint8Array {
    const { multiple, writeCache, lookAhead, transferMode } = this.state;
    return identifyDevice({
      identity: this.#identity,
      totalSectors: this.#totalSectors,
      defaultGeometry: this.defaultGeometry,
      geometry: this.#geometry,
      ...{ multiple, writeCache, lookAhead, transferMode },
    });
  }

  #setPower(mode: PowerMode | 'check'): void {
    const { state } = this;
    if (mode === 'check') state.registers[REGISTER.COUNT] = POWER_CODE[state.power];
    else state.power = mode;
    this.work(TIME.COMMAND);
  }

  #seek(): void {
    const lba = this.#address({ extended: false });
    if (lba === undefined || lba >= this.#totalSectors) return this.fail(ERROR.IDNF);
    this.work(TIME.ACCESS);
  }

  #setMultiple(count: number): void {
    const isPowerOfTwo = (count & (count - 1)) === 0;
    if (count > MOST_MULTIPLE || !isPowerOfTwo) return this.fail(ERROR.ABRT);
    this.state.multiple = count;
    this.work(TIME.COMMAND);
  }

  #initializeParameters(): void {
    const { state } = this;
    const sectors = state.registers[REGISTER.COUNT];
    if (sectors === 0) return this.fail(ERROR.ABRT);
    state.heads = (state.registers[REGISTER.DEVICE] & DEVICE.HEAD) + 1;
    state.sectors = sectors;
    this.work(TIME.COMMAND);
  }

  #setFeatures(): void {
    const { state } = this;
    switch (state.registers[REGISTER.FEATURES]) {
      case FEATURE.TRANSFER_MODE: {
        const mode = chooseTransferMode(state.transferMode, state.registers[REGISTER.COUNT]);
        if (mode === undefined) return this.fail(ERROR.ABRT);
        state.transferMode = mode;
        break;
      }
      case FEATURE.WRITE_CACHE_ON:
        state.writeCache = true;
        break;
      case FEATURE.WRITE_CACHE_OFF:
        state.writeCache = false;
        // What is in the cache goes out.
        return this.work(TIME.ACCESS, { kind: 'flush' });
      case FEATURE.LOOK_AHEAD_ON:
      case FEATURE.LOOK_AHEAD_OFF:
        state.lookAhead = state.registers[REGISTER.FEATURES] === FEATURE.LOOK_AHEAD_ON;
        break;
      case FEATURE.KEEP_SETTINGS:
      case FEATURE.REVERT_SETTINGS:
        state.reverts = state.registers[REGISTER.FEATURES] === FEATURE.REVERT_SETTINGS;
        break;
      default:
        return this.fail(ERROR.ABRT);
    }
    this.work(TIME.COMMAND);
  }

  // Sectors

  #beginTransfer(command: TransferCommand): void {
    const { state } = this;
    const { direction, by, extended = false, multiple = false, fua = false } = command;
    if (multiple && state.multiple === 0) return this.fail(ERROR.ABRT);
    if (direction === 'write' && this.medium.readOnly) return this.fail(ERROR.ABRT);
    const lba = this.#address({ extended });
    const remaining = this.#count({ extended });
    if (lba === undefined) return this.fail(ERROR.IDNF);
    if (lba + remaining > this.#totalSectors) {
      if (lba < this.#totalSectors) this.#postLba(this.#totalSectors, { extended });
      return this.fail(ERROR.IDNF);
    }
    state.power = 'active';
    const transfer: Transfer = {
      ...{ direction, by, extended, lba, remaining },
      block: multiple ? state.multiple : 1,
      durable: direction === 'write' && (fua || !state.writeCache),
      chunk: CHUNK_SECTORS,
      flushing: false,
    };
    state.transfer = transfer;
    if (direction === 'write') this.#take(transfer, { first: true });
    else this.#read(transfer, TIME.ACCESS);
  }

  /** What has been waited for is there. */
  #advance(transfer: Transfer): void {
    const { position, buffer } = this.state;
    if (transfer.flushing) this.#end();
    else if (transfer.direction === 'verify') this.#chunkDone(transfer);
    else if (transfer.direction === 'read') this.#give(transfer);
    else if (position < buffer.length) this.moveByPio('out', this.#blockLength(transfer));
    else this.#chunkDone(transfer);
  }

  /** Sectors of the chunk that is next, or under way. */
  #chunkOf({ chunk, remaining }: Transfer): number {
    return Math.min(chunk, remaining);
  }

  /** Bytes of the block that is next. */
  #blockLength({ block }: Transfer): number {
    const { buffer, position } = this.state;
    return Math.min(block * SECTOR, buffer.length - position);
  }

  #read(transfer: Transfer, access = 0): void {
    const length = this.#chunkOf(transfer) * SECTOR;
    this.setBuffer(new Uint8Array(0));
    this.work(access + TIME.PER_BYTE * length, { kind: 'read', offset: transfer.lba * SECTOR, length });
  }

  #write(transfer: Transfer): void {
    const { length } = this.state.buffer;
    this.work(TIME.ACCESS + TIME.PER_BYTE * length, { kind: 'write', offset: transfer.lba * SECTOR, length });
  }

  #give(transfer: Transfer): void {
    if (transfer.by === 'dma') this.requestDma('in');
    else this.moveByPio('in', this.#blockLength(transfer));
  }

  /** Asks the host for the next chunk. Before the first block it gets no interrupt. */
  #take(transfer: Transfer, { first }: { readonly first: boolean }): void {
    this.provideBuffer(this.#chunkOf(transfer) * SECTOR);
    if (transfer.by === 'dma') this.requestDma('out');
    else this.moveByPio('out', this.#blockLength(transfer), { interrupt: !first });
  }

  #chunkDone(transfer: Transfer): void {
    const sectors = this.#chunkOf(transfer);
    transfer.lba += sectors;
    transfer.remaining -= sectors;
    if (transfer.remaining === 0) this.#allDone(transfer);
    else if (transfer.direction === 'write') this.#take(transfer, { first: false });
    else this.#read(transfer);
  }

  #allDone(transfer: Transfer): void {
    this.#postLba(transfer.lba - 1, transfer);
    this.state.registers[REGISTER.COUNT] = 0;
    transfer.flushing = transfer.durable;
    if (transfer.flushing) this.work(TIME.ACCESS, { kind: 'flush' });
    else this.#end();
  }

  /** After the last block of a read by PIO the host has had its interrupt. */
  #end(): void {
    const { transfer } = this.state;
    this.state.transfer = undefined;
    this.finish({ interrupt: !(transfer?.direction === 'read' && transfer.by === 'pio') });
  }

  #mediumFailed(transfer: Transfer | undefined): void {
    const { state } = this;
    if (transfer === undefined || transfer.direction === 'write') {
      state.transfer = undefined;
      if (transfer !== undefined && !transfer.flushing) this.#postLba(transfer.lba, transfer);
      return this.fail(ERROR.ABRT, { status: STATUS.DF });
    }
    const least = transfer.by === 'pio' ? transfer.block : 1;
    if (this.#chunkOf(transfer) > least) {
      transfer.chunk = least;
      return this.#read(transfer, TIME.ACCESS);
    }
    state.transfer = undefined;
    this.#postLba(transfer.lba, transfer);
    this.fail(ERROR.UNC);
  }

  // The address in the registers

  #count({ extended }: { readonly extended: boolean }): number {
    const { registers, previous } = this.state;
    if (!extended) return registers[REGISTER.COUNT] || BYTE;
    return registers[REGISTER.COUNT] + BYTE * previous[REGISTER.COUNT] || BYTE * BYTE;
  }

  /** Undefined if the registers name no sector. */
  #address({ extended }: { readonly extended: boolean }): number | undefined {
    const { registers, previous } = this.state;
    const lower = threeBytes(registers);
    if (extended) return lower + THREE_BYTES * threeBytes(previous);
    const device = registers[REGISTER.DEVICE];
    const head = device & DEVICE.HEAD;
    if (device & DEVICE.LBA) return lower + THREE_BYTES * head;
    const cylinder = registers[REGISTER.LBA_MID] + BYTE * registers[REGISTER.LBA_HIGH];
    return toLba(this.#geometry, { cylinder, head, sector: registers[REGISTER.LBA_LOW] });
  }

  /** Leaves an address in the registers, in the manner of the command. */
  #postLba(lba: number, { extended }: { readonly extended: boolean }): void {
    const { registers, previous } = this.state;
    const device = registers[REGISTER.DEVICE];
    if (extended) {
      putThreeBytes(registers, lba % THREE_BYTES);
      putThreeBytes(previous, Math.floor(lba / THREE_BYTES));
    } else if (device & DEVICE.LBA) {
      putThreeBytes(registers, lba % THREE_BYTES);
      registers[REGISTER.DEVICE] = (device & ~DEVICE.HEAD) | (Math.floor(lba / THREE_BYTES) & DEVICE.HEAD);
    } else {
      const { cylinder, head, sector } = fromLba(this.#geometry, lba);
      putThreeBytes(registers, sector + BYTE * cylinder);
      registers[REGISTER.DEVICE] = (device & ~DEVICE.HEAD) | head;
    }
  }
}

const threeBytes = (registers: Uint8Array): number =>
  registers[REGISTER.LBA_LOW] + BYTE * registers[REGISTER.LBA_MID] + BYTE * BYTE * registers[REGISTER.LBA_HIGH];

function putThreeBytes(registers: Uint8Array, value: number): void {
  registers[REGISTER.LBA_LOW] = value;
  registers[REGISTER.LBA_MID] = value >>> 8;
  registers[REGISTER.LBA_HIGH] = value >>> 16;
}
