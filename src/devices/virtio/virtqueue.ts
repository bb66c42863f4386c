/**
 * A split virtqueue as its device sees it. Virtual I/O Device (VIRTIO) Version 1.2, section 2.7.
 *
 * The rings are the driver's memory: nothing in them is believed. What no driver may do (a chain that does not end, an
 * address where nothing answers) throws a `QueueError`, and whoever serves the queue says that the device needs a reset.
 *
 * Not modelled: packed virtqueues, in-order use (features that are not offered); the device never asks a driver that has
 * not negotiated event indices to leave its notifications out.
 */
import type { DmaMemory } from '../../bus/dma-memory.ts';

/** An address of 64 bits, as it is written: low doubleword, high doubleword. */
export type WideAddress = [low: number, high: number];

/** Plain data: part of a transport's state. */
export interface QueueState {
  /** Entries, a power of two. */
  size: number;
  enabled: boolean;
  /** Descriptor area, driver area (available ring), device area (used ring). */
  descriptors: WideAddress;
  driver: WideAddress;
  device: WideAddress;
  /** Index in the available ring of what is taken next, and in the used ring of what is put next: 16 bits, never reduced. */
  next: number;
  used: number;
  /** Index in the used ring up to which it was decided whether the driver is told. */
  told: number;
}

export const idleQueue = (size: number): QueueState => ({
  ...{ size, enabled: false, descriptors: [0, 0], driver: [0, 0], device: [0, 0] },
  ...{ next: 0, used: 0, told: 0 },
});

/** Bytes of guest memory. */
export interface BufferPart {
  readonly address: number;
  readonly length: number;
}

/** What a driver has made available at once. Plain data. */
export interface Chain {
  /** By which it is given back. */
  readonly head: number;
  /** What the device may read, and what it may write, in order. */
  readonly readable: readonly BufferPart[];
  readonly writable: readonly BufferPart[];
}

/** The driver has broken a rule of the queue. */
export class QueueError extends Error {}

/** What was negotiated, as far as queues go. */
export interface QueueFeatures {
  readonly indirect: boolean;
  readonly eventIndex: boolean;
}

const DESCRIPTOR = { SIZE: 16, LENGTH: 8, FLAGS: 12, NEXT: 14 } as const;
const FLAG = { NEXT: 1, WRITE: 2, INDIRECT: 4 } as const;
/** Both rings begin with flags and idx. */
const RING = { FLAGS: 0, INDEX: 2, ENTRIES: 4 } as const;
const AVAILABLE_ENTRY = 2;
const USED_ENTRY = 8;
const NO_INTERRUPT = 1;
/** Descriptors of an indirect table: more than the queue has, as drivers do make them, and yet bounded. */
const MOST_INDIRECT = 1024;
/** Bytes of a chain (2.7.4.2). */
const MOST_BYTES = 2 ** 32;

const inWord = (index: number): number => index & 0xffff;
const numberOf = ([low, high]: WideAddress): number => high * 2 ** 32 + low;

export class Virtqueue {
  readonly state: QueueState;
  readonly #memory: DmaMemory;
  readonly #features: () => QueueFeatures;

  constructor(state: QueueState, wiring: { readonly memory: DmaMemory; readonly features: () => QueueFeatures }) {
    this.state = state;
    this.#memory = wiring.memory;
    this.#features = wiring.features;
  }

  /** The next chain that the driver has made available. @throws QueueError */
  take(): Chain | undefined {
    const { state } = this;
    if (!state.enabled) return undefined;
    const ring = numberOf(state.driver);
    const waiting = inWord(this.#word(ring + RING.INDEX) - state.next);
    if (waiting > state.size) throw new QueueError(`${waiting} entries are available in a ring of ${state.size}`);
    if (waiting === 0) {
      // Asks to be notified of the next one.
      if (this.#features().eventIndex) this.#putWord(this.#availableEvent, state.next);
      return undefined;
    }
    const head = this.#word(ring + RING.ENTRIES + AVAILABLE_ENTRY * (state.next % state.size));
    if (head >= state.size) throw new QueueError(`descriptor ${head} in a table of ${state.size}`);
    state.next = inWord(state.next + 1);
    return this.#walk(head);
  }

  /**
   * Gives a chain back; `written`: bytes from the beginning of what the device may write. A queue that was reset takes
   * nothing. @throws QueueError
   */
  put(head: number, written: number): void {
    const { state } = this;
    if (!state.enabled) return;
    const ring = numberOf(state.device);
    const entry = new Uint8Array(USED_ENTRY);
    const view = new DataView(entry.buffer);
    view.setUint32(0, head, true);
    view.setUint32(4, written, true);
    this.#put(ring + RING.ENTRIES + USED_ENTRY * (state.used % state.size), entry);
    state.used = inWord(state.used + 1);
    this.#putWord(ring + RING.INDEX, state.used);
  }

  /** Whether the driver wants to hear of what was put since this was asked last. @throws QueueError */
  takeInterrupt(): boolean {
    const { state } = this;
    const { told, used } = state;
    if (!state.enabled || used === told) return false;
    state.told = used;
    const ring = numberOf(state.driver);
    if (!this.#features().eventIndex) return (this.#word(ring + RING.FLAGS) & NO_INTERRUPT) === 0;
    const event = this.#word(ring + RING.ENTRIES + AVAILABLE_ENTRY * state.size);
    return inWord(used - event - 1) < inWord(used - told);
  }

  /** All that the device may read of a chain. @throws QueueError if that is more than `most` bytes, or not memory */
  read({ readable }: Chain, most: number): Uint8Array {
    const length = readable.reduce((sum, part) => sum + part.length, 0);
    if (length > most) throw new QueueError(`${length} bytes, where there are at most ${most}`);
    const bytes = new Uint8Array(length);
    let done = 0;
    for (const part of readable) {
      bytes.set(this.#get(part.address, part.length), done);
      done += part.length;
    }
    return bytes;
  }

  #walk(head: number): Chain {
    const { indirect } = this.#features();
    const readable: BufferPart[] = [];
    const writable: BufferPart[] = [];
    let bytes = 0;
    let table = { address: numberOf(this.state.descriptors), count: this.state.size, isIndirect: false };
    for (let index = head, steps = 0; ; steps++) {
      if (steps >= table.count) throw new QueueError('a chain of descriptors has a loop');
      const { address, length, flags, next } = this.#descriptor(table.address + DESCRIPTOR.SIZE * index);
      if (flags & FLAG.INDIRECT) {
        if (!indirect || table.isIndirect || flags & FLAG.NEXT) throw new QueueError('an indirect descriptor here');
        const count = length / DESCRIPTOR.SIZE;
        if (!Number.isInteger(count) || count === 0 || count > MOST_INDIRECT)
          throw new QueueError(`an indirect table of ${length} bytes`);
        table = { address, count, isIndirect: true };
        index = 0;
        steps = -1;
        continue;
      }
      bytes += length;
      if (bytes > MOST_BYTES) throw new QueueError('a chain of more than 4 GiB');
      if (flags & FLAG.WRITE) writable.push({ address, length });
      else if (writable.length > 0) throw new QueueError('something to be read behind what may be written');
      else readable.push({ address, length });
      if ((flags & FLAG.NEXT) === 0) return { head, readable, writable };
      if (next >= table.count) throw new QueueError(`descriptor ${next} in a table of ${table.count}`);
      index = next;
    }
  }

  #descriptor(at: number) {
    const bytes = this.#get(at, DESCRIPTOR.SIZE);
    const view = new DataView(bytes.buffer, bytes.byteOffset, DESCRIPTOR.SIZE);
    return {
      address: numberOf([view.getUint32(0, true), view.getUint32(4, true)]),
      length: view.getUint32(DESCRIPTOR.LENGTH, true),
      flags: view.getUint16(DESCRIPTOR.FLAGS, true),
      next: view.getUint16(DESCRIPTOR.NEXT, true),
    };
  }

  /** Behind the used ring. */
  get #availableEvent(): number {
    return numberOf(this.state.device) + RING.ENTRIES + USED_ENTRY * this.state.size;
  }

  #word(address: number): number {
    const bytes = this.#get(address, 2);
    return bytes[0] | (bytes[1] << 8);
  }

  #putWord(address: number, value: number): void {
    this.#put(address, Uint8Array.of(value & 0xff, value >>> 8));
  }

  #get(address: number, length: number): Uint8Array {
    this.#check(address, length);
    return this.#memory.read(address, length);
  }

  #put(address: number, bytes: Uint8Array): void {
    this.#check(address, bytes.length);
    this.#memory.write(address, bytes);
  }

  #check(address: number, length: number): void {
    if (!this.#memory.answers(address, length))
      throw new QueueError(`${length} bytes at ${address.toString(16)}h, where there is no memory`);
  }
}
