/**
 * The configuration space of a PCI function, declared as data: a header of type 00h, base addresses, an expansion ROM, a
 * list of capabilities, and the registers that are the chip's own. PCI Local Bus Specification 2.1, chapter 6.
 *
 * A chip keeps the bytes in its own state, as `state.config`, so that they are saved and restored with it.
 *
 * Not modelled: the status bits of errors on the bus, which no access here meets (they read 0), and BIST.
 */
import { InternalError } from '../../base/errors.ts';
import type { MmioDevice } from '../mmio.ts';
import type { PortDevice } from '../port-bus.ts';
import { type BaseAddress, baseAddressBits, decodedRange, ROM_ENABLE } from './base-address.ts';

/** Bytes. */
export const CONFIG_SIZE = 256;

/** Offsets in a header of type 00h. */
export const CONFIG = {
  VENDOR: 0x00,
  DEVICE: 0x02,
  COMMAND: 0x04,
  STATUS: 0x06,
  REVISION: 0x08,
  CLASS: 0x09,
  LATENCY_TIMER: 0x0d,
  HEADER_TYPE: 0x0e,
  BASE_ADDRESS: 0x10,
  SUBSYSTEM_VENDOR: 0x2c,
  SUBSYSTEM: 0x2e,
  EXPANSION_ROM: 0x30,
  CAPABILITIES: 0x34,
  INTERRUPT_LINE: 0x3c,
  INTERRUPT_PIN: 0x3d,
} as const;

/** Bits of the command register. */
export const COMMAND = { IO: 0x01, MEMORY: 0x02, BUS_MASTER: 0x04, SPECIAL_CYCLES: 0x08, SERR: 0x100 } as const;
/** Bits of the status register that a chip of this age may have. */
export const STATUS = { CAPABILITIES: 0x10, FAST_BACK_TO_BACK: 0x80, DEVSEL_MEDIUM: 0x200 } as const;

const HEADER_MULTIFUNCTION = 0x80;
const PINS = ['A', 'B', 'C', 'D'] as const;
/** Base addresses of a header of type 00h. */
const BASE_ADDRESSES = 6;

export type InterruptPin = (typeof PINS)[number];

/** A register, as a datasheet lists it. Bits that neither mask names are read-only. It may be one of the header's, too. */
export interface ConfigRegister {
  readonly offset: number;
  /** Bytes. */
  readonly size: 1 | 2 | 4;
  readonly reset: number;
  readonly writable?: number;
  /** Bits that are cleared by writing a one to them. */
  readonly cleared?: number;
}

/** An entry in the list of capabilities: its first two bytes (id, next) are made from this. */
export interface Capability {
  readonly id: number;
  /** Where it lies, a multiple of 4 from 40h on. */
  readonly offset: number;
  /** What follows, at offsets in the configuration space. */
  readonly registers: readonly ConfigRegister[];
}

/** A register that is not kept, but worked out at each access, and asked for with the width of that. */
export interface LiveRegister {
  readonly offset: number;
  readonly size: 1 | 2 | 4;
  /** `within`: offset in the register. */
  read(within: number, size: 1 | 2 | 4): number;
  write(within: number, value: number, size: 1 | 2 | 4): void;
}

export interface ConfigDeclaration {
  readonly vendor: number;
  readonly device: number;
  /** Base class, subclass and programming interface, 8 bits each, the base class uppermost. */
  readonly classCode: number;
  readonly revision?: number;
  readonly subsystem?: { readonly vendor: number; readonly device: number };
  /** The device has other functions: set in function 0. */
  readonly multifunction?: boolean;
  /** Default: reset 0, I/O, memory and bus master writable. */
  readonly command?: { readonly reset: number; readonly writable: number };
  readonly status?: number;
  readonly interruptPin?: InterruptPin;
  /** By number, 0–5. The one after a 64-bit one is its upper half, and not to be given. */
  readonly baseAddresses?: Readonly<Partial<Record<number, BaseAddress>>>;
  /** `size`: bytes, a power of two from 2 KiB on. */
  readonly expansionRom?: { readonly size: number; readonly device: MmioDevice };
  readonly capabilities?: readonly Capability[];
  readonly registers?: readonly ConfigRegister[];
  readonly live?: readonly LiveRegister[];
}

/** A range that a function claims at present. */
export type AddressWindow =
  | { readonly space: 'io'; readonly first: number; readonly length: number; readonly device: PortDevice }
  | { readonly space: 'memory'; readonly first: number; readonly length: number; readonly device: MmioDevice };

export class ConfigSpace {
  readonly #declaration: ConfigDeclaration;
  readonly #state: { config: Uint8Array };
  readonly #reset = new Uint8Array(CONFIG_SIZE);
  readonly #writable = new Uint8Array(CONFIG_SIZE);
  readonly #cleared = new Uint8Array(CONFIG_SIZE);
  readonly #listeners: (() => void)[] = [];

  /** Puts the values after reset into `state.config`. @throws InternalError for what cannot be declared */
  constructor(declaration: ConfigDeclaration, state: { config: Uint8Array }) {
    this.#declaration = declaration;
    this.#state = state;
    for (const register of headerRegisters(declaration)) this.#declare(register);
    for (const { registers } of declaration.capabilities ?? []) for (const each of registers) this.#declare(each);
    for (const register of declaration.registers ?? []) this.#declare(register);
    this.reset();
  }

  /** `listener` hears whenever registers may have changed: after a write and at `resume`. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Unsigned value of 1, 2 or 4 bytes within the space. */
  read(offset: number, size: 1 | 2 | 4): number {
    const live = this.#live(offset);
    if (live) return live.read(offset - live.offset, size);
    const { config } = this.#state;
    let value = 0;
    for (let index = size - 1; index >= 0; index--) value = value * 256 + (config[offset + index] ?? 0xff);
    return value;
  }

  /** As the bus writes: read-only bits stay. */
  write(offset: number, value: number, size: 1 | 2 | 4): void {
    const live = this.#live(offset);
    if (live) return live.write(offset - live.offset, value, size);
    const { config } = this.#state;
    for (let at = offset, rest = value; at < Math.min(offset + size, CONFIG_SIZE); at++, rest >>>= 8) {
      const writable = this.#writable[at];
      config[at] = ((config[at] & ~writable) | (rest & writable)) & ~(rest & this.#cleared[at]);
    }
    this.#tell();
  }

  /** As the chip itself sets what software may not write. */
  set(offset: number, value: number): void {
    this.#state.config[offset] = value;
  }

  /** RESET#. Nobody is told: `resume` follows. */
  reset(): void {
    this.#state.config.set(this.#reset);
  }

  /** After `state.config` has changed: all who depend on it look again. */
  resume(): void {
    this.#tell();
  }

  get command(): number {
    return this.read(CONFIG.COMMAND, 2);
  }

  /** What base addresses and expansion ROM claim now, as the command register allows. */
  windows(): readonly AddressWindow[] {
    const { command } = this;
    const windows: AddressWindow[] = [];
    for (const [number, declared] of Object.entries(this.#declaration.baseAddresses ?? {})) {
      if (!declared || (command & (declared.kind === 'io' ? COMMAND.IO : COMMAND.MEMORY)) === 0) continue;
      const at = CONFIG.BASE_ADDRESS + 4 * Number(number);
      const upper = declared.kind === 'memory' && declared.width === 64 ? this.read(at + 4, 4) : 0;
      const range = decodedRange(declared, this.read(at, 4), upper);
      if (!range) continue;
      windows.push(
        declared.kind === 'io'
          ? { space: 'io', ...range, device: declared.device }
          : { space: 'memory', ...range, device: declared.device },
      );
    }
    const { expansionRom } = this.#declaration;
    const rom = this.read(CONFIG.EXPANSION_ROM, 4);
    if (expansionRom && rom & ROM_ENABLE && command & COMMAND.MEMORY) {
      const { size, device } = expansionRom;
      windows.push({ space: 'memory', first: rom - (rom % size), length: size, device });
    }
    return windows;
  }

  #live(offset: number): LiveRegister | undefined {
    return this.#declaration.live?.find((live) => offset >= live.offset && offset < live.offset + live.size);
  }

  #declare({ offset, size, reset, writable = 0, cleared = 0 }: ConfigRegister): void {
    if (offset < 0 || offset + size > CONFIG_SIZE) throw new InternalError(`no configuration register at ${offset}`);
    for (let index = 0; index < size; index++) {
      this.#reset[offset + index] = reset >>> (8 * index);
      this.#writable[offset + index] = writable >>> (8 * index);
      this.#cleared[offset + index] = cleared >>> (8 * index);
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** The header of type 00h, and what makes capabilities a list. */
function headerRegisters(declaration: ConfigDeclaration): ConfigRegister[] {
  const { capabilities = [], expansionRom, subsystem, interruptPin } = declaration;
  const command = declaration.command ?? { reset: 0, writable: COMMAND.IO | COMMAND.MEMORY | COMMAND.BUS_MASTER };
  const status = (declaration.status ?? 0) | (capabilities.length > 0 ? STATUS.CAPABILITIES : 0);
  const [revision, classCode] = [declaration.revision ?? 0, declaration.classCode];
  const registers: ConfigRegister[] = [
    { offset: CONFIG.VENDOR, size: 2, reset: declaration.vendor },
    { offset: CONFIG.DEVICE, size: 2, reset: declaration.device },
    { offset: CONFIG.COMMAND, size: 2, ...command },
    { offset: CONFIG.STATUS, size: 2, reset: status },
    { offset: CONFIG.REVISION, size: 4, reset: ((classCode << 8) | revision) >>> 0 },
    { offset: CONFIG.HEADER_TYPE, size: 1, reset: declaration.multifunction ? HEADER_MULTIFUNCTION : 0 },
    { offset: CONFIG.SUBSYSTEM_VENDOR, size: 2, reset: subsystem?.vendor ?? 0 },
    { offset: CONFIG.SUBSYSTEM, size: 2, reset: subsystem?.device ?? 0 },
    { offset: CONFIG.CAPABILITIES, size: 1, reset: capabilities[0]?.offset ?? 0 },
    { offset: CONFIG.INTERRUPT_LINE, size: 1, reset: 0, writable: 0xff },
    { offset: CONFIG.INTERRUPT_PIN, size: 1, reset: interruptPin ? PINS.indexOf(interruptPin) + 1 : 0 },
  ];
  for (const [number, declared] of Object.entries(declaration.baseAddresses ?? {})) {
    const at = Number(number);
    if (!(at < BASE_ADDRESSES)) throw new InternalError(`no base address ${number}`);
    for (const [index, bits] of baseAddressBits(declared!).entries())
      registers.push({ offset: CONFIG.BASE_ADDRESS + 4 * (at + index), size: 4, ...bits });
  }
  if (expansionRom) {
    const writable = ((0xffff_f800 & -expansionRom.size) | ROM_ENABLE) >>> 0;
    registers.push({ offset: CONFIG.EXPANSION_ROM, size: 4, reset: 0, writable });
  }
  for (const [index, { id, offset }] of capabilities.entries()) {
    registers.push({ offset, size: 1, reset: id });
    registers.push({ offset: offset + 1, size: 1, reset: capabilities[index + 1]?.offset ?? 0 });
  }
  return registers;
}
