/** A DMA pair and a floppy controller on a bench: memory that writes down what is written, media in memory. */
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { DmaMemory } from '../../src/bus/dma-memory.ts';
import type { Medium } from '../../src/bus/medium.ts';
import { DmaPair } from '../../src/devices/dma-pair.ts';
import { Fdc82077, type Fdc82077Options } from '../../src/devices/floppy/fdc82077.ts';
import { RecordingLine } from './devices.ts';

/** The 16 MiB that a DMA controller can name, of which the first `size` bytes are there. */
export class BenchMemory implements DmaMemory {
  readonly bytes: Uint8Array;
  /** Bytes written outside the memory: they were lost. */
  lost = 0;

  constructor(size = 0x10_0000) {
    this.bytes = new Uint8Array(size);
  }

  answers(address: number, length: number): boolean {
    return address + length <= this.bytes.length;
  }

  read(address: number, length: number): Uint8Array {
    const result = new Uint8Array(length);
    this.readInto(address, result);
    return result;
  }

  readInto(address: number, bytes: Uint8Array): void {
    bytes.fill(0xff);
    bytes.set(this.bytes.subarray(address, address + bytes.length));
  }

  write(address: number, bytes: Uint8Array): void {
    const room = Math.min(Math.max(this.bytes.length - address, 0), bytes.length);
    if (room > 0) this.bytes.set(bytes.subarray(0, room), address);
    this.lost += bytes.length - room;
  }
}

export function createDma({ memorySize = 0x10_0000 } = {}) {
  const memory = new BenchMemory(memorySize);
  const pair = new DmaPair({ memory });
  return { pair, memory };
}

/** As a PC's firmware leaves it: the lower chip cascaded. */
export function cascade(pair: DmaPair): void {
  pair.upper.writePort(0x0b, 0xc0);
  pair.upper.writePort(0x0a, 0x00);
}

/** Sets up a channel of the lower chip and unmasks it; `mode` without its channel bits. */
export function program(
  pair: DmaPair,
  channel: 0 | 1 | 2 | 3,
  { address, bytes, mode }: { address: number; bytes: number; mode: number },
): void {
  const { lower, pages } = pair;
  lower.writePort(0x0a, 4 | channel);
  lower.writePort(0x0c, 0);
  lower.writePort(2 * channel, address & 0xff);
  lower.writePort(2 * channel, (address >>> 8) & 0xff);
  lower.writePort(2 * channel + 1, (bytes - 1) & 0xff);
  lower.writePort(2 * channel + 1, ((bytes - 1) >>> 8) & 0xff);
  lower.writePort(0x0b, mode | channel);
  pages.writePort([7, 3, 1, 2][channel], address >>> 16);
  lower.writePort(0x0a, channel);
}

/** A disk in memory. Each sector begins with its number; `delay`: answers come later, when `settle` is called. */
export class BenchMedium implements Medium {
  readonly bytes: Uint8Array;
  readonly readOnly: boolean;
  flushes = 0;
  /** Thrown by what is asked for next, as long as it is set. */
  failure: Error | undefined;
  delayed = false;
  readonly #waiting: (() => void)[] = [];

  constructor(size = 1440 * 1024, { readOnly = false } = {}) {
    this.readOnly = readOnly;
    this.bytes = new Uint8Array(size);
    const view = new DataView(this.bytes.buffer);
    for (let sector = 0; sector < size / 512; sector++) {
      this.bytes.fill(sector & 0xff, sector * 512, sector * 512 + 512);
      view.setUint32(sector * 512, sector, true);
    }
  }

  get size(): number {
    return this.bytes.length;
  }

  read(offset: number, length: number): Uint8Array | Promise<Uint8Array> {
    return this.#answer(() => this.bytes.slice(offset, offset + length));
  }

  write(offset: number, bytes: Uint8Array): void | Promise<void> {
    return this.#answer(() => this.bytes.set(bytes, offset));
  }

  flush(): void | Promise<void> {
    return this.#answer(() => void this.flushes++);
  }

  /** Lets everything answer that was asked for, and what follows from it be asked for. */
  async settle(): Promise<void> {
    for (const answer of this.#waiting.splice(0)) answer();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }

  #answer<T>(work: () => T): T | Promise<T> {
    const failing = () => {
      if (this.failure !== undefined) throw this.failure;
      return work();
    };
    if (!this.delayed) return failing();
    return new Promise<void>((resolve) => this.#waiting.push(resolve)).then(failing);
  }
}

/** A controller out of reset, motors on, the four statuses sensed; one 1.44 MB disk in A unless `drives` says otherwise. */
export function createFdc({
  drives = [{ medium: new BenchMedium() }],
  onHostError,
}: Partial<Pick<Fdc82077Options, 'drives' | 'onHostError'>> = {}) {
  const clock = new VirtualClock();
  const irq = new RecordingLine(clock);
  const { pair, memory } = createDma();
  cascade(pair);
  const fdc = new Fdc82077({ clock, irq, dma: pair.channel(2), drives, onHostError });
  const status = () => fdc.readPort(4);

  /** The command phase. */
  const command = (...bytes: number[]) => {
    for (const byte of bytes) {
      if ((status() & 0xc0) !== 0x80) throw new Error(`MSR is ${status().toString(16)}h before ${bytes.join(' ')}`);
      fdc.writePort(5, byte);
    }
  };
  /** The result phase, as far as it goes. */
  const result = () => {
    const bytes: number[] = [];
    while ((status() & 0xf0) === 0xd0) bytes.push(fdc.readPort(5));
    return bytes;
  };
  /** A whole command: guest time passes until the interrupt, or not at all if it answers at once. */
  const run = (...bytes: number[]) => {
    command(...bytes);
    for (let turn = 0; irq.level === 0 && (status() & 0xf0) !== 0xd0 && turn < 2000; turn++) clock.advance(1_000_000);
    return result();
  };
  const sense = () => {
    command(0x08);
    return result();
  };
  /** Moves the head, and senses the interrupt. */
  const seek = (drive: number, cylinder: number) => {
    command(0x0f, drive, cylinder);
    while (irq.level === 0) clock.advance(1_000_000);
    return sense();
  };
  const dma = (mode: number, bytes: number, address = 0x2000) => program(pair, 2, { address, bytes, mode });
  const enable = () => {
    fdc.writePort(2, 0x3c);
    clock.advance(1_000_000);
    return [sense(), sense(), sense(), sense()];
  };
  const bench = { fdc, clock, irq, pair, memory, status, command, result, run, sense, seek, dma, enable };
  enable();
  fdc.writePort(7, 0);
  command(0x03, 0xdf, 0x02);
  return bench;
}

/** Device to memory, memory to device; single mode. */
export const DMA_WRITE = 0x44;
export const DMA_READ = 0x48;
