/** The ISA I/O port space: 65 536 byte-wide ports, decoded to devices. */

/** A device as the bus sees it: it knows offsets from its first port, never addresses. */
export interface PortDevice {
  readonly name: string;
  /** `size` is the access width in bytes: 1, 2 or 4. Byte-wide devices see wider accesses as consecutive bytes. */
  readPort(offset: number, size: 1 | 2 | 4): number;
  writePort(offset: number, value: number, size: 1 | 2 | 4): void;
  /** Access widths the device takes whole; others are split into bytes. Default: bytes only. */
  readonly portWidths?: readonly (1 | 2 | 4)[];
}

export type PortRange = readonly [first: number, count: number];

export class PortBus {
  readonly #slots: ({ device: PortDevice; first: number } | undefined)[] = new Array(0x10000);

  /** Attaches a device at a range of ports. Throws if another device claims one of them. */
  attach([first, count]: PortRange, device: PortDevice, offset = 0): void {
    for (let port = first; port < first + count; port++) {
      const other = this.#slots[port];
      if (other) throw new Error(`port ${port.toString(16)}h: ${device.name} overlaps ${other.device.name}`);
    }
    for (let port = first; port < first + count; port++) this.#slots[port] = { device, first: first - offset };
  }

  /** IN. Unclaimed ports float: all ones. */
  read(port: number, size: 1 | 2 | 4): number {
    const slot = this.#slots[port];
    if (slot && (size === 1 || slot.device.portWidths?.includes(size))) {
      return slot.device.readPort(port - slot.first, size) >>> 0;
    }
    if (size === 1) return 0xff;
    let value = 0;
    for (let index = 0; index < size; index++) value += this.read((port + index) & 0xffff, 1) * 2 ** (8 * index);
    return value;
  }

  /** OUT. Writes to unclaimed ports are lost. */
  write(port: number, value: number, size: 1 | 2 | 4): void {
    const slot = this.#slots[port];
    if (slot && (size === 1 || slot.device.portWidths?.includes(size))) {
      slot.device.writePort(port - slot.first, value >>> 0, size);
    } else if (size > 1) {
      for (let index = 0; index < size; index++) this.write((port + index) & 0xffff, (value >>> (8 * index)) & 0xff, 1);
    }
  }
}
