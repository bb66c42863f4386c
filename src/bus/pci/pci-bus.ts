/**
 * A PCI bus: configuration cycles to its functions, and the ranges of ports and memory that they claim, which software
 * moves and switches on and off at run time. PCI Local Bus Specification 2.1, section 3.2.2.
 *
 * A device that is to sit on it offers a `ConfigSpace` (its registers as data) and is attached at a device and function
 * number; the rest is done here: sizing, relocation, the command register's enables. Interrupt pins are wires like
 * others (`IrqLine`), which the board gives to the chip.
 *
 * Of ranges that overlap, what is attached to the spaces for good comes first, then the function of the lowest number.
 *
 * Not modelled: bridges to other buses (a type 1 cycle ends in a master abort); special cycles reach nobody.
 */
import { InternalError } from '../../base/errors.ts';
import type { MmioSpace } from '../mmio.ts';
import type { PortBus } from '../port-bus.ts';
import type { AddressWindow, ConfigSpace } from './config-space.ts';

/** What the bus sees of a function. */
export interface PciFunction {
  readonly name: string;
  readonly config: ConfigSpace;
  /** Ranges that it claims now, besides those of base addresses. Asked whenever its configuration may have changed. */
  windows?(): readonly AddressWindow[];
}

/** Device 0–31 and function 0–7 on a bus. */
export interface PciPlace {
  readonly device: number;
  readonly function: number;
}

interface Slot {
  readonly function: PciFunction;
  readonly order: number;
  mapped: { readonly claim: AddressWindow; readonly unmap: () => void }[];
}

/** Windows that a function may have, as far as their order goes. */
const WINDOWS = 64;
const ALL_ONES = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff } as const;
const BUS_SHIFT = 16;
const FUNCTION_SHIFT = 8;

/** As in CONFADD: bus in bits 23–16, device in 15–11, function in 10–8, register in 7–0. */
export const configAddress = ({ device, function: number }: PciPlace, register = 0): number =>
  (device << 11) | (number << FUNCTION_SHIFT) | register;

export class PciBus {
  readonly #ports: Pick<PortBus, 'map'>;
  readonly #memory: MmioSpace;
  /** By device · 8 + function. */
  readonly #slots = new Map<number, Slot>();

  constructor(spaces: { ports: Pick<PortBus, 'map'>; memory: MmioSpace }) {
    this.#ports = spaces.ports;
    this.#memory = spaces.memory;
  }

  /** @throws InternalError if the place is taken */
  attach(place: PciPlace, attached: PciFunction): void {
    const number = configAddress(place) >>> FUNCTION_SHIFT;
    const other = this.#slots.get(number);
    if (other) throw new InternalError(`PCI ${place.device}.${place.function}: ${other.function.name} is there`);
    const slot: Slot = { function: attached, order: number * WINDOWS, mapped: [] };
    this.#slots.set(number, slot);
    attached.config.onChange(() => this.#decode(slot));
    this.#decode(slot);
  }

  /** A configuration read of `size` bytes within a doubleword. Where nobody answers, the master aborts: all ones. */
  read(address: number, size: 1 | 2 | 4): number {
    return this.#find(address)?.function.config.read(address & 0xff, size) ?? ALL_ONES[size];
  }

  write(address: number, value: number, size: 1 | 2 | 4): void {
    this.#find(address)?.function.config.write(address & 0xff, value, size);
  }

  #find(address: number): Slot | undefined {
    return address >>> BUS_SHIFT === 0 ? this.#slots.get(address >>> FUNCTION_SHIFT) : undefined;
  }

  /** Maps what a function claims now, and unmaps what it no longer does. */
  #decode(slot: Slot): void {
    const claims = [...slot.function.config.windows(), ...(slot.function.windows?.() ?? [])];
    const { mapped } = slot;
    if (claims.length === mapped.length && claims.every((claim, index) => isSame(claim, mapped[index].claim))) return;
    for (const { unmap } of mapped) unmap();
    slot.mapped = claims.map((claim, index) => ({ claim, unmap: this.#map(claim, slot.order + index) }));
  }

  #map(claim: AddressWindow, order: number): () => void {
    const { first, length } = claim;
    if (claim.space === 'io') return this.#ports.map([first, length], claim.device, order);
    return this.#memory.mapMmio([first, length], claim.device, order);
  }
}

const isSame = (one: AddressWindow, other: AddressWindow): boolean =>
  one.space === other.space && one.first === other.first && one.length === other.length && one.device === other.device;
