/** IDE on a bench: the PIIX3's function on a PCI bus, drives, and software that talks to them through ports. */
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { Device } from '../../src/bus/device.ts';
import type { Medium } from '../../src/bus/medium.ts';
import { AtaDisk } from '../../src/devices/ide/ata-disk.ts';
import { AtapiCdrom } from '../../src/devices/ide/atapi-cdrom.ts';
import type { IdeDrive } from '../../src/devices/ide/ide-drive.ts';
import { Piix3Ide, type Piix3IdeWiring } from '../../src/devices/pci/piix3-ide.ts';
import { RecordingLine } from './devices.ts';
import { createPciBus, registersOf } from './pci.ts';

export const BM_BASE = 0xc000;
export const IDENTITY = { model: 'VETRO HARDDISK', serial: 'V0001', firmware: '1.0' };
export const CD_IDENTITY = { model: 'VETRO CD-ROM', serial: 'V0002', firmware: '1.0' };
export const STATUS = { BSY: 0x80, DRDY: 0x40, DF: 0x20, DSC: 0x10, DRQ: 0x08, ERR: 0x01 } as const;

/** Bytes from address 0, and nothing behind them. `strayed`: what was written elsewhere. */
export class TestMemory {
  readonly bytes: Uint8Array;
  strayed = 0;
  accesses = 0;

  constructor(size = 0x10_0000) {
    this.bytes = new Uint8Array(size);
  }

  answers(address: number, length: number): boolean {
    return address >= 0 && address + length <= this.bytes.length;
  }

  read(address: number, length: number): Uint8Array {
    const copy = new Uint8Array(length);
    this.readInto(address, copy);
    return copy;
  }

  readInto(address: number, bytes: Uint8Array): void {
    this.accesses++;
    bytes.fill(0xff);
    bytes.set(this.bytes.subarray(address, address + bytes.length));
  }

  write(address: number, bytes: Uint8Array): void {
    this.accesses++;
    if (this.answers(address, bytes.length)) this.bytes.set(bytes, address);
    else this.strayed++;
  }

  /** A table of regions: address, bytes, … */
  putTable(at: number, regions: readonly (readonly [address: number, length: number])[], { open = false } = {}): void {
    const view = new DataView(this.bytes.buffer);
    for (const [index, [address, length]] of regions.entries()) {
      view.setUint32(at + 8 * index, address, true);
      view.setUint32(at + 8 * index + 4, length & 0xffff, true);
    }
    if (!open) view.setUint32(at + 8 * regions.length - 4, (regions.at(-1)![1] & 0xffff) | 0x8000_0000, true);
  }
}

/** What is on a cable: a disk's medium, a CD drive with or without a disc. */
export type Attached = { readonly disk: Medium } | { readonly cd: Medium | undefined };
type Cable = readonly [Attached | undefined, Attached | undefined];

export interface IdeOptions {
  readonly primary?: Cable;
  readonly secondary?: Cable;
  readonly memory?: TestMemory;
  readonly modes?: Piix3IdeWiring['modes'];
  /** The configuration that firmware leaves. Default: true. */
  readonly configured?: boolean;
}

export function createIde(options: IdeOptions = {}) {
  const { primary = [undefined, undefined], secondary = [undefined, undefined], memory = new TestMemory() } = options;
  const clock = new VirtualClock();
  const { bus, ports } = createPciBus();
  const errors: string[] = [];
  const build = (attached: Attached | undefined, name: string): IdeDrive | undefined => {
    if (attached === undefined) return undefined;
    const common = { name, clock, onHostError: (line: string) => void errors.push(line) };
    if ('disk' in attached) return new AtaDisk({ ...common, medium: attached.disk, identity: IDENTITY });
    return new AtapiCdrom({ ...common, medium: attached.cd, identity: CD_IDENTITY });
  };
  const cable = (attached: Cable, name: string) =>
    [build(attached[0], `${name}-0`), build(attached[1], `${name}-1`)] as const;
  const drives = [cable(primary, 'drive-0'), cable(secondary, 'drive-1')] as const;
  const lines = [new RecordingLine(clock), new RecordingLine(clock)] as const;
  const pin = new RecordingLine(clock);
  const chip = new Piix3Ide({
    memory,
    pin,
    ...(options.modes ? { modes: options.modes } : {}),
    channels: [
      { drives: drives[0], command: [0x1f0, 8], control: [0x3f6, 1], irq: lines[0] },
      { drives: drives[1], command: [0x170, 8], control: [0x376, 1], irq: lines[1] },
    ],
  });
  const place = { device: 1, function: 1 };
  bus.attach(place, chip);
  const config = registersOf(bus, place);
  /** As firmware leaves the function. */
  const configure = () => {
    config.write(0x40, 0x8000, 2);
    config.write(0x42, 0x8000, 2);
    config.write(0x20, BM_BASE, 4);
    config.write(0x04, 5, 2);
  };
  if (options.configured !== false) configure();
  clock.advance(1_000_000);
  const present = drives.flat().filter((drive) => drive !== undefined);
  const devices: Device[] = [chip, ...chip.parts, ...present];
  return {
    ...{ chip, clock, bus, ports, memory, drives, lines, pin, errors, config, configure, devices },
    primary: new Software({ ports, clock, base: 0x1f0, control: 0x3f6, master: BM_BASE }),
    secondary: new Software({ ports, clock, base: 0x170, control: 0x376, master: BM_BASE + 8 }),
  };
}
export type IdeBench = ReturnType<typeof createIde>;

interface Ports {
  read(port: number, size: 1 | 2 | 4): number;
  write(port: number, value: number, size: 1 | 2 | 4): void;
}

/** Waits for an interrupt as a driver does. */
export function awaitInterrupt({ clock, lines }: Pick<IdeBench, 'clock' | 'lines'>, channel: 0 | 1 = 0): void {
  for (let step = 0; lines[channel].level === 0; step++) {
    if (step > 1_000_000) throw new Error('no interrupt');
    clock.advance(1000);
  }
}

/** A driver of one channel. */
export class Software {
  readonly #ports: Ports;
  readonly #clock: VirtualClock;
  readonly #base: number;
  readonly #control: number;
  readonly #master: number;

  constructor(at: { ports: Ports; clock: VirtualClock; base: number; control: number; master: number }) {
    this.#ports = at.ports;
    this.#clock = at.clock;
    this.#base = at.base;
    this.#control = at.control;
    this.#master = at.master;
  }

  in(offset: number): number {
    return this.#ports.read(this.#base + offset, 1);
  }

  out(offset: number, value: number): void {
    this.#ports.write(this.#base + offset, value, 1);
  }

  get altStatus(): number {
    return this.#ports.read(this.#control, 1);
  }

  set control(value: number) {
    this.#ports.write(this.#control, value, 1);
  }

  get status(): number {
    return this.in(7);
  }

  get error(): number {
    return this.in(1);
  }

  /** Count, low, mid, high. */
  get signature(): number[] {
    return [2, 3, 4, 5].map((offset) => this.in(offset));
  }

  /** Waits until BSY is clear. @returns the alternate status */
  settle(): number {
    for (let step = 0; this.altStatus & STATUS.BSY; step++) {
      if (step > 1_000_000) throw new Error('BSY stays set');
      this.#clock.advance(1000);
    }
    return this.altStatus;
  }

  /** Registers in the order of their ports; HOB of an EXT command is written first. */
  command(
    opcode: number,
    { device = 0xe0, features = 0, count = 0, lba = 0, extended = false }: CommandRegisters = {},
  ): void {
    this.out(6, extended ? device : (device & 0xf0) | (device & 0x40 ? Math.floor(lba / 2 ** 24) & 0xf : device & 0xf));
    if (extended) {
      this.out(1, features >>> 8);
      this.out(2, count >>> 8);
      for (const [index, shift] of [24, 32, 40].entries()) this.out(3 + index, Math.floor(lba / 2 ** shift) & 0xff);
    }
    this.out(1, features & 0xff);
    this.out(2, count & 0xff);
    for (const [index, shift] of [0, 8, 16].entries()) this.out(3 + index, Math.floor(lba / 2 ** shift) & 0xff);
    this.out(7, opcode);
  }

  /** A command without data. @returns the status it ends with */
  run(opcode: number, registers: CommandRegisters = {}): number {
    this.command(opcode, registers);
    this.settle();
    return this.status;
  }

  readWords(bytes: number): Uint8Array {
    const data = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 2) {
      const word = this.#ports.read(this.#base, 2);
      data[at] = word;
      if (at + 1 < bytes) data[at + 1] = word >>> 8;
    }
    return data;
  }

  writeWords(data: Uint8Array): void {
    for (let at = 0; at < data.length; at += 2)
      this.#ports.write(this.#base, data[at]! | ((data[at + 1] ?? 0) << 8), 2);
  }

  /** By PIO, polled. @returns the data and the status at the end */
  read(opcode: number, registers: CommandRegisters, { blocks = 1, block = 512 } = {}) {
    this.command(opcode, registers);
    const parts: Uint8Array[] = [];
    for (let index = 0; index < blocks; index++) {
      if ((this.settle() & STATUS.DRQ) === 0) break;
      parts.push(this.readWords(block));
    }
    this.settle();
    return { data: joined(parts), status: this.status };
  }

  write(opcode: number, registers: CommandRegisters, data: Uint8Array, { block = 512 } = {}): number {
    this.command(opcode, registers);
    for (let at = 0; at < data.length; at += block) {
      if ((this.settle() & STATUS.DRQ) === 0) break;
      this.writeWords(data.subarray(at, at + block));
    }
    this.settle();
    return this.status;
  }

  /** A packet by PIO. @returns the data, the sizes of its parts, and how it ended */
  packet(cdb: readonly number[], { limit = 0xfffe, device = 0xa0 } = {}) {
    this.command(0xa0, { device, lba: limit * 0x100 });
    const parts: Uint8Array[] = [];
    if ((this.settle() & STATUS.DRQ) === 0)
      return { data: joined(parts), sizes: [], status: this.status, error: this.error };
    this.writeWords(Uint8Array.from({ length: 12 }, (_, index) => cdb[index] ?? 0));
    while (this.settle() & STATUS.DRQ) parts.push(this.readWords(this.in(4) + 0x100 * this.in(5)));
    return { data: joined(parts), sizes: parts.map(({ length }) => length), status: this.status, error: this.error };
  }

  // Bus master

  get masterStatus(): number {
    return this.#ports.read(this.#master + 2, 1);
  }

  set masterStatus(value: number) {
    this.#ports.write(this.#master + 2, value, 1);
  }

  set masterCommand(value: number) {
    this.#ports.write(this.#master, value, 1);
  }

  /** As Linux: table, direction, clear the status; the command; start. */
  startDma(table: number, way: 'to-memory' | 'from-memory', command: () => void): void {
    const direction = way === 'to-memory' ? 8 : 0;
    this.#ports.write(this.#master + 4, table, 4);
    this.masterCommand = direction;
    this.masterStatus = this.masterStatus | 6;
    command();
    this.masterCommand = direction | 1;
  }

  /** A whole command by DMA, up to its interrupt. @returns both statuses */
  dma(table: number, way: 'to-memory' | 'from-memory', opcode: number, registers: CommandRegisters) {
    this.startDma(table, way, () => this.command(opcode, registers));
    // It ends, or else waits for ever.
    for (let step = 0; step < 2000 && this.altStatus & (STATUS.BSY | STATUS.DRQ); step++) this.#clock.advance(1000);
    const master = this.masterStatus;
    this.masterCommand = 0;
    return { master, status: this.status };
  }
}

export interface CommandRegisters {
  readonly device?: number;
  readonly features?: number;
  readonly count?: number;
  readonly lba?: number;
  readonly extended?: boolean;
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
