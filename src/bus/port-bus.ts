/** The ISA I/O port space: 65 536 byte-wide ports, decoded to devices. */

/** A device as the bus sees it: it knows offsets from its first port, never addresses. */
export interface PortDevice {
  readonly name: string;
  /** `size` is the access width in bytes: 1, 2 or 4. Byte-wide devices see wider accesses as consecutive bytes. */
  readPort(offset: number, size: 1 | 2 | 4): number;
  writePort(offset: number, value: number, size: 1 | 2 | 4): void;
  /** Access widths the device takes whole, where they are aligned; others are split into bytes. Default: bytes only. */
  readonly portWidths?: readonly (1 | 2 | 4)[];
}

export type PortRange = readonly [first: number, count: number];

/** A device and its port of offset 0. */
interface Claim {
  readonly device: PortDevice;
  readonly first: number;
}

/** A claim that can be taken back. */
interface PortWindow extends Claim {
  readonly end: number;
  readonly order: number;
}

export class PortBus {
  readonly #slots: (Claim | undefined)[] = new Array(0x10000);
  /** In their order. */
  #windows: readonly PortWindow[] = [];

  /** Attaches a device at a range of ports. Throws if another device claims one of them. */
  attach([first, count]: PortRange, device: PortDevice, offset = 0): void {
    for (let port = first; port < first + count; port++) {
      const other = this.#slots[port];
      if (other) throw new Error(`port ${port.toString(16)}h: ${device.name} overlaps ${other.device.name}`);
    }
    for (let port = first; port < first + count; port++) this.#slots[port] = { device, first: first - offset };
  }

  /**
   * Until the function returned is called, the device answers where none is attached. Of several, the one with the lowest
   * `order` does.
   */
  map([first, count]: PortRange, device: PortDevice, order: number): () => void {
    const window: PortWindow = { device, first, end: first + count, order };
    this.#windows = [...this.#windows, window].sort((one, other) => one.order - other.order);
    return () => {
      this.#windows = this.#windows.filter((other) => other !== window);
    };
  }

  /** IN. Unclaimed ports float: all ones. */
  read(port: number, size: 1 | 2 | 4): number {
    const claim = this.#find(port);
    if (claim && takesWhole(claim, port, size)) return claim.device.readPort(port - claim.first, size) >>> 0;
    if (size === 1) return 0xff;
    let value = 0;
    for (let index = 0; index < size; index++) value += this.read((port + index) & 0xffff, 1) * 2 ** (8 * index);
    return value;
  }

  /** OUT. Writes to unclaimed ports are lost. */
  write(port: number, value: number, size: 1 | 2 | 4): void {
    const claim = this.#find(port);
    if (claim && takesWhole(claim, port, size)) {
      claim.device.writePort(port - claim.first, value >>> 0, size);
    } else if (size > 1) {
      for (let index = 0; index < size; index++) this.write((port + index) & 0xffff, (value >>> (8 * index)) & 0xff, 1);
    }
  }

  #find(port: number): Claim | undefined {
    return this.#slots[port] ?? this.#windows.find(({ first, end }) => port >= first && port < end);
  }
}

/** What is not aligned reaches no device whole: it may end behind it. */
const takesWhole = ({ device }: Claim, port: number, size: 1 | 2 | 4): boolean =>
  size === 1 || (port % size === 0 && device.portWidths?.includes(size) === true);
