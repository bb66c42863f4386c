/** Configuration space through mechanism 1. PCI Local Bus Specification 2.1, section 3.2.2.3.2. */
import { configAddress, type PciPlace } from '../../bus/pci/pci-bus.ts';
import type { PortAccess } from '../board.ts';

const PORT = { ADDRESS: 0xcf8, DATA: 0xcfc } as const;
const ENABLE = 0x8000_0000;

export class PciAccess {
  readonly #ports: PortAccess;

  constructor(ports: PortAccess) {
    this.#ports = ports;
  }

  read(place: PciPlace, register: number, size: 1 | 2 | 4): number {
    this.#select(place, register);
    return this.#ports.read(PORT.DATA + (register & 3), size);
  }

  write(place: PciPlace, register: number, value: number, size: 1 | 2 | 4): void {
    this.#select(place, register);
    this.#ports.write(PORT.DATA + (register & 3), value >>> 0, size);
  }

  /** All functions of bus 0, in their order. */
  *functions(): Generator<PciPlace> {
    for (let device = 0; device < 32; device++) {
      const first = { device, function: 0 };
      if (this.read(first, 0x00, 2) === 0xffff) continue;
      const count = this.read(first, 0x0e, 1) & 0x80 ? 8 : 1;
      for (let index = 0; index < count; index++) {
        const place = { device, function: index };
        if (this.read(place, 0x00, 2) !== 0xffff) yield place;
      }
    }
  }

  #select(place: PciPlace, register: number): void {
    this.#ports.write(PORT.ADDRESS, ENABLE + (configAddress(place, register) & ~3), 4);
  }
}
