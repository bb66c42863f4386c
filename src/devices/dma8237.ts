/**
 * Programmable DMA Controller. Intel 8237A datasheet, order number 231466; the pair, its page registers and the readable
 * mask register as in the 82371SB (PIIX3), order number 290550.
 *
 * The lower chip has channels 0–3, which move bytes; the upper one has channels 5–7, which move words at even
 * addresses, and the lower chip's request as its channel 0 ("channel 4", in cascade mode: else the lower chip gets no
 * bus). Address counters are 16 bits wide and wrap; a page register never changes by itself.
 *
 * Transfers take no guest time: the device that asks for one keeps the pace. So single, demand and block mode differ only
 * in that software requests are served in block mode alone, as the datasheet asks for.
 *
 * Not modelled: priorities (one transfer is over before the next is asked for), the timing and polarity bits of the
 * command register, a second bus master behind a cascaded channel other than 4, what a device does when it is read
 * by a channel that is programmed to write to it (it gets FFh; memory stays as it is); memory-to-memory transfers
 * copy as if source and destination did not overlap.
 */
import { bit, extract } from '../base/bits.ts';
import type { Device } from '../bus/device.ts';
import type { DmaChannel, DmaProgress } from '../bus/dma-channel.ts';
import type { DmaMemory } from '../bus/dma-memory.ts';
import type { PortDevice } from '../bus/port-bus.ts';

/** Registers behind the eight of addresses and counts; two names where reading and writing differ. */
const REGISTER = {
  STATUS_COMMAND: 8,
  REQUEST: 9,
  SINGLE_MASK: 10,
  MODE: 11,
  CLEAR_FLIP_FLOP: 12,
  TEMPORARY_MASTER_CLEAR: 13,
  CLEAR_MASK: 14,
  ALL_MASK: 15,
} as const;
const COMMAND = { MEMORY_TO_MEMORY: 0, ADDRESS_HOLD: 1, DISABLE: 2 } as const;
const MODE = { CHANNEL: [0, 1], TRANSFER: [2, 3], AUTOINITIALIZE: 4, DECREMENT: 5, KIND: [6, 7] } as const;
/** What a channel does with memory. The fourth value is illegal: it moves nothing, as verify does. */
const TRANSFER = { VERIFY: 0, WRITE: 1, READ: 2 } as const;
const KIND = { DEMAND: 0, SINGLE: 1, BLOCK: 2, CASCADE: 3 } as const;
/** Bits of a write to the request register, and to that of a single mask bit. */
const SET_BIT = 2;
const FLOATING = 0xff;
const ALL_CHANNELS = 0xf;
const ADDRESSES = 0x1_0000;
const NOTHING: DmaProgress = { moved: 0, terminalCount: false };

type Direction = 'to-memory' | 'from-memory';

const powerOnState = () => ({
  command: 0,
  /** Which byte of an address or count comes next: 0 the lower. */
  flipFlop: 0 as 0 | 1,
  mask: ALL_CHANNELS,
  /** Requests by software, and the levels of DREQ. */
  software: 0,
  dreq: 0,
  /** Channels that reached terminal count since the status was read. */
  terminalCounts: 0,
  temporary: 0,
  channels: Array.from({ length: 4 }, () => ({ baseAddress: 0, baseCount: 0, address: 0, count: 0, mode: 0 })),
});

/** What stands around a chip: the pages of its channels, and memory. */
interface Wiring {
  readonly name: string;
  /** Bytes a transfer moves. */
  readonly width: 1 | 2;
  readonly memory: DmaMemory;
  /** The page of a channel: address bits 16–23. */
  readonly page: (channel: number) => number;
  /** Whether the chip gets the bus. */
  readonly granted: () => boolean;
}

/** One 8237A. Offsets are its sixteen registers, however far apart the board puts them. */
export class Dma8237 implements PortDevice, Device {
  readonly name: string;
  readonly stateVersion = 1;
  readonly state = powerOnState();
  readonly #wiring: Wiring;

  constructor(wiring: Wiring) {
    this.name = wiring.name;
    this.#wiring = wiring;
  }

  readPort(offset: number): number {
    const { state } = this;
    if (offset < REGISTER.STATUS_COMMAND) return this.#readCounter(offset);
    switch (offset) {
      case REGISTER.STATUS_COMMAND: {
        const status = ((state.dreq | state.software) << 4) | state.terminalCounts;
        state.terminalCounts = 0;
        return status;
      }
      case REGISTER.TEMPORARY_MASTER_CLEAR:
        return state.temporary;
      case REGISTER.ALL_MASK:
        return state.mask;
      default:
        return FLOATING;
    }
  }

  writePort(offset: number, value: number): void {
    const { state } = this;
    if (offset < REGISTER.STATUS_COMMAND) return this.#writeCounter(offset, value);
    const channel = extract(value, MODE.CHANNEL);
    switch (offset) {
      case REGISTER.STATUS_COMMAND:
        state.command = value;
        return this.#serveSoftware();
      case REGISTER.REQUEST:
        state.software = withBit(state.software, channel, bit(value, SET_BIT));
        return this.#serveSoftware();
      case REGISTER.SINGLE_MASK:
        state.mask = withBit(state.mask, channel, bit(value, SET_BIT));
        return;
      case REGISTER.MODE:
        state.channels[channel].mode = value;
        return this.#serveSoftware();
      case REGISTER.CLEAR_FLIP_FLOP:
        state.flipFlop = 0;
        return;
      case REGISTER.TEMPORARY_MASTER_CLEAR:
        return this.#masterClear();
      case REGISTER.CLEAR_MASK:
        state.mask = 0;
        return;
      case REGISTER.ALL_MASK:
        state.mask = value & ALL_CHANNELS;
        return;
    }
  }

  reset(): void {
    // DREQ is a device's output: the device says what becomes of it.
    const { dreq } = this.state;
    Object.assign(this.state, powerOnState(), { dreq });
  }

  resume(): void {}

  /** What the device on `channel` (0–3 of this chip) works with. */
  channel(index: number): DmaChannel {
    const chip = this;
    return {
      request(level) {
        chip.state.dreq = withBit(chip.state.dreq, index, level);
      },
      get granted() {
        return chip.#acknowledges(index);
      },
      deliver: (bytes) => (chip.#acknowledges(index) ? chip.#move(index, bytes, 'to-memory') : NOTHING),
      fetch: (bytes) => (chip.#acknowledges(index) ? chip.#move(index, bytes, 'from-memory') : NOTHING),
    };
  }

  /** A channel passes another chip's request on. */
  cascades(index: number): boolean {
    return this.#answers(index) && extract(this.state.channels[index].mode, MODE.KIND) === KIND.CASCADE;
  }

  #acknowledges(index: number): boolean {
    return this.#answers(index) && extract(this.state.channels[index].mode, MODE.KIND) !== KIND.CASCADE;
  }

  #answers(index: number): boolean {
    const { command, mask } = this.state;
    return !bit(mask, index) && !bit(command, COMMAND.DISABLE) && this.#wiring.granted();
  }

  #masterClear(): void {
    const { state } = this;
    state.command = 0;
    state.software = 0;
    state.terminalCounts = 0;
    state.temporary = 0;
    state.flipFlop = 0;
    state.mask = ALL_CHANNELS;
  }

  #readCounter(offset: number): number {
    const { state } = this;
    const { address, count } = state.channels[offset >>> 1];
    const value = offset & 1 ? count : address;
    const shift = 8 * state.flipFlop;
    state.flipFlop ^= 1;
    return (value >>> shift) & 0xff;
  }

  /** Base and current register are written together. */
  #writeCounter(offset: number, value: number): void {
    const { state } = this;
    const channel = state.channels[offset >>> 1];
    const shift = 8 * state.flipFlop;
    state.flipFlop ^= 1;
    const replaced = (old: number): number => (old & (0xff00 >>> shift)) | (value << shift);
    if (offset & 1) channel.count = channel.baseCount = replaced(channel.baseCount);
    else channel.address = channel.baseAddress = replaced(channel.baseAddress);
  }

  /**
   * Moves as much of `bytes` as the count allows. Without a memory side (verify, or the wrong direction) address and
   * count run all the same.
   */
  #move(index: number, bytes: Uint8Array, direction: Direction): DmaProgress {
    const { width } = this.#wiring;
    const { mode, count } = this.state.channels[index];
    const transfer = extract(mode, MODE.TRANSFER);
    const units = Math.min(Math.floor(bytes.length / width), count + 1);
    const moved = bytes.subarray(0, units * width);
    if (direction === 'from-memory') {
      if (transfer === TRANSFER.READ) this.#readMemory(index, moved);
      else moved.fill(FLOATING);
    } else if (transfer === TRANSFER.WRITE) this.#writeMemory(index, moved);
    return { moved: moved.length, terminalCount: this.#count(index, units) };
  }

  #readMemory(index: number, into: Uint8Array): void {
    const { memory, width } = this.#wiring;
    for (const { address, from, length, reversed } of this.#runs(index, into.length / width)) {
      const bytes = memory.read(address, length);
      into.set(reversed ? reverseUnits(bytes, width) : bytes, from);
    }
  }

  #writeMemory(index: number, bytes: Uint8Array): void {
    const { memory, width } = this.#wiring;
    for (const { address, from, length, reversed } of this.#runs(index, bytes.length / width)) {
      const run = bytes.subarray(from, from + length);
      memory.write(address, reversed ? reverseUnits(run, width) : run);
    }
  }

  /** The next `units` transfers as runs of consecutive memory: the address counter wraps, its page stays. */
  *#runs(index: number, units: number): Generator<Run> {
    const { width, page } = this.#wiring;
    const { mode, address } = this.state.channels[index];
    // A0 is always 0 where words are moved: the counter gives A1–A16, and bit 0 of the page is not wired.
    const base = width === 1 ? page(index) << 16 : (page(index) & 0xfe) << 16;
    const reversed = bit(mode, MODE.DECREMENT) === 1;
    for (let done = 0, at = address; done < units; ) {
      const room = reversed ? at + 1 : ADDRESSES - at;
      const count = Math.min(room, units - done);
      const lowest = reversed ? at - count + 1 : at;
      yield { address: base + lowest * width, from: done * width, length: count * width, reversed };
      done += count;
      at = reversed ? ADDRESSES - 1 : 0; // only if it goes on
    }
  }

  /** Counts `units` transfers; at the terminal count the channel starts over, or is masked. Returns whether it came. */
  #count(index: number, units: number): boolean {
    const { state } = this;
    const channel = state.channels[index];
    const step = bit(channel.mode, MODE.DECREMENT) ? -units : units;
    channel.address = (channel.address + step) & 0xffff;
    const terminal = units > channel.count;
    channel.count = (channel.count - units) & 0xffff;
    if (!terminal) return false;
    state.terminalCounts |= 1 << index;
    state.software &= ~(1 << index);
    if (bit(channel.mode, MODE.AUTOINITIALIZE)) {
      channel.address = channel.baseAddress;
      channel.count = channel.baseCount;
    } else state.mask |= 1 << index;
    return true;
  }

  /** Requests by software cannot be masked. Nobody is at the other end but memory itself: the data bus floats. */
  #serveSoftware(): void {
    const { state } = this;
    if (bit(state.command, COMMAND.DISABLE) || !this.#wiring.granted()) return;
    for (let index = 0; index < 4; index++) {
      const channel = state.channels[index];
      if (!bit(state.software, index)) continue;
      if (index === 0 && bit(state.command, COMMAND.MEMORY_TO_MEMORY)) this.#copyMemory();
      else if (extract(channel.mode, MODE.KIND) === KIND.BLOCK) {
        const bytes = new Uint8Array((channel.count + 1) * this.#wiring.width).fill(FLOATING);
        this.#move(index, bytes, extract(channel.mode, MODE.TRANSFER) === TRANSFER.WRITE ? 'to-memory' : 'from-memory');
      }
    }
  }

  /** Channel 0 gives the source, channel 1 the destination and the count; each byte passes the temporary register. */
  #copyMemory(): void {
    const { state } = this;
    const { width } = this.#wiring;
    const bytes = new Uint8Array((state.channels[1].count + 1) * width);
    if (bit(state.command, COMMAND.ADDRESS_HOLD)) {
      const unit = bytes.subarray(0, width);
      this.#readMemory(0, unit);
      for (let at = width; at < bytes.length; at += width) bytes.set(unit, at);
    } else {
      this.#readMemory(0, bytes);
      const units = bytes.length / width;
      const step = bit(state.channels[0].mode, MODE.DECREMENT) ? -units : units;
      state.channels[0].address = (state.channels[0].address + step) & 0xffff;
    }
    this.#writeMemory(1, bytes);
    state.temporary = bytes[bytes.length - 1];
    this.#count(1, bytes.length / width);
    state.software &= ~1;
  }
}

/** Consecutive memory, and the part of a device's bytes that goes there; `reversed`: unit by unit from its end. */
interface Run {
  readonly address: number;
  readonly from: number;
  readonly length: number;
  readonly reversed: boolean;
}

const withBit = (value: number, index: number, level: 0 | 1): number => (value & ~(1 << index)) | (level << index);

function reverseUnits(bytes: Uint8Array, width: 1 | 2): Uint8Array {
  const reversed = bytes.slice().reverse();
  for (let at = 0; width === 2 && at < reversed.length; at += 2) reversed.subarray(at, at + 2).reverse();
  return reversed;
}
