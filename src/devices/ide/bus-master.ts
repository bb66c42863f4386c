/**
 * The bus master of an IDE channel: moves data between its drives and memory as a table of regions says. Programming
 * Interface for Bus Master IDE Controller, revision 1.0; 82371SB (PIIX3), order number 290550, "BMICX", "BMISX", "BMIDTPX".
 *
 * The table's entries (PRDs) are of eight bytes: address, count of bytes (0: 64 KiB) and, in bit 31 of the second
 * doubleword, whether it is the last. Where no memory answers, the error bit is set and the transfer stands still, as the
 * drive sees it, until a reset.
 *
 * Not modelled: regions and tables that cross 64 KiB are not cut there; memory of devices is no target.
 */
import type { Device } from '../../bus/device.ts';
import type { DmaMemory } from '../../bus/dma-memory.ts';
import type { PortDevice } from '../../bus/port-bus.ts';
import type { DmaHost } from './ide-drive.ts';

/** Ports of one channel. */
export const BUS_MASTER_PORTS = 8;
const PORT = { COMMAND: 0, STATUS: 2, TABLE: 4 } as const;
const COMMAND = { START: 0x01, TO_MEMORY: 0x08 } as const;
const STATUS = { ACTIVE: 0x01, ERROR: 0x02, INTERRUPT: 0x04, DRIVES_CAPABLE: 0x60 } as const;
const ENTRY_LENGTH = 8;
/** Within it, memory answers everywhere or nowhere. */
const PAGE = 4096;
const END_OF_TABLE = 0x80;
const MOST_BYTES = 0x1_0000;
/** Bytes of the table that are fetched at once, at most. */
const FETCHED = 64 * ENTRY_LENGTH;

export interface BusMasterWiring {
  readonly name: string;
  readonly memory: DmaMemory;
  /** The function may become bus master: its PCI command register says so. */
  readonly isEnabled: () => boolean;
  /** It may be that data can be moved now. */
  readonly canMove: () => void;
}

export class BusMaster implements Device, DmaHost, PortDevice {
  readonly name: string;
  readonly stateVersion = 1;
  readonly state = {
    command: 0,
    status: 0,
    /** Address of the table, as software has set it. */
    table: 0,
    /** Of a transfer under way: its next entry, and what is left of the region before that. */
    entry: 0,
    address: 0,
    left: 0,
    last: false,
  };
  readonly #wiring: BusMasterWiring;
  /** Entries that have been fetched from an address on: good as long as nothing else happens. */
  readonly #fetched = { from: 0, end: 0, view: new DataView(new ArrayBuffer(FETCHED)) };

  constructor(wiring: BusMasterWiring) {
    this.name = wiring.name;
    this.#wiring = wiring;
  }

  readPort(offset: number): number {
    const { command, status, table } = this.state;
    if (offset === PORT.COMMAND) return command;
    if (offset === PORT.STATUS) return status;
    return offset >= PORT.TABLE ? (table >>> (8 * (offset - PORT.TABLE))) & 0xff : 0;
  }

  writePort(offset: number, value: number): void {
    const { state } = this;
    if (offset === PORT.COMMAND) this.#writeCommand(value);
    else if (offset === PORT.STATUS) {
      const cleared = value & (STATUS.ERROR | STATUS.INTERRUPT);
      state.status = (state.status & ~cleared & ~STATUS.DRIVES_CAPABLE) | (value & STATUS.DRIVES_CAPABLE);
    } else if (offset >= PORT.TABLE) {
      const shift = 8 * (offset - PORT.TABLE);
      state.table = ((state.table & ~(0xff << shift)) | ((value & 0xff) << shift)) & ~3;
      state.table >>>= 0;
    }
  }

  /** INTRQ of the channel has risen. */
  interrupt(): void {
    this.state.status |= STATUS.INTERRUPT;
  }

  toMemory(bytes: Uint8Array): number {
    if ((this.state.command & COMMAND.TO_MEMORY) === 0) return 0;
    const { memory } = this.#wiring;
    return this.#transfer(bytes.length, (done, address, length) =>
      memory.write(address, bytes.subarray(done, done + length)),
    );
  }

  fromMemory(bytes: Uint8Array): number {
    if (this.state.command & COMMAND.TO_MEMORY) return 0;
    const { memory } = this.#wiring;
    return this.#transfer(bytes.length, (done, address, length) =>
      memory.readInto(address, bytes.subarray(done, done + length)),
    );
  }

  reset(): void {
    Object.assign(this.state, { command: 0, status: 0, table: 0, entry: 0, address: 0, left: 0, last: false });
  }

  resume(): void {}

  #writeCommand(value: number): void {
    const { state } = this;
    const starts = (value & ~state.command & COMMAND.START) !== 0;
    state.command = value & (COMMAND.START | COMMAND.TO_MEMORY);
    if ((value & COMMAND.START) === 0) state.status &= ~STATUS.ACTIVE;
    if (starts) {
      state.status |= STATUS.ACTIVE;
      Object.assign(state, { entry: state.table, left: 0, last: false });
    }
    // Also where only the direction has changed.
    if (state.status & STATUS.ACTIVE) this.#wiring.canMove();
  }

  /** @returns how many of `length` bytes the table had room for */
  #transfer(length: number, move: (done: number, address: number, length: number) => void): number {
    const { state } = this;
    this.#fetched.end = 0;
    let done = 0;
    while (done < length && this.#nextRegion()) {
      const part = Math.min(state.left, length - done);
      if (!this.#answers(state.address, part)) break;
      move(done, state.address, part);
      done += part;
      state.address += part;
      state.left -= part;
      if (state.left === 0 && state.last) state.status &= ~STATUS.ACTIVE;
    }
    return done;
  }

  /** Fetches an entry if none is under way. @returns whether there is something to move to or from */
  #nextRegion(): boolean {
    const { state } = this;
    if ((state.status & STATUS.ACTIVE) === 0 || !this.#wiring.isEnabled()) return false;
    if (state.left > 0) return true;
    if (!this.#fetchEntry()) return false;
    const { view, from } = this.#fetched;
    const at = state.entry - from;
    state.address = view.getUint32(at, true) & ~1;
    state.address >>>= 0;
    state.left = view.getUint16(at + 4, true) & ~1 || MOST_BYTES;
    state.last = (view.getUint8(at + 7) & END_OF_TABLE) !== 0;
    state.entry = (state.entry + ENTRY_LENGTH) % 2 ** 32;
    return true;
  }

  /** The next entry, and with it those behind it in the same page. */
  #fetchEntry(): boolean {
    const { entry } = this.state;
    const fetched = this.#fetched;
    if (entry >= fetched.from && entry + ENTRY_LENGTH <= fetched.end) return true;
    if (!this.#answers(entry, ENTRY_LENGTH)) return false;
    const rest = PAGE - (entry % PAGE);
    const length = rest < ENTRY_LENGTH ? ENTRY_LENGTH : Math.min(rest & -ENTRY_LENGTH, FETCHED);
    this.#wiring.memory.readInto(entry, new Uint8Array(fetched.view.buffer, 0, length));
    fetched.from = entry;
    fetched.end = entry + length;
    return true;
  }

  #answers(address: number, length: number): boolean {
    const { state } = this;
    if (this.#wiring.memory.answers(address, length)) return true;
    state.status = (state.status & ~STATUS.ACTIVE) | STATUS.ERROR;
    return false;
  }
}
