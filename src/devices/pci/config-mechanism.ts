/**
 * Configuration mechanism 1: how a PC's processor reaches the configuration space of its PCI bus. 82441FX (PMC), order
 * number 290549, "CONFADD" and "CONFDATA"; PCI Local Bus Specification 2.1, section 3.2.2.3.2.
 *
 * Eight ports: CONFADD is a doubleword and nothing else; bytes and words there belong to who is behind the bridge.
 * CONFDATA is four bytes wide and takes any access that its doubleword holds.
 */
import type { Device } from '../../bus/device.ts';
import type { PciBus } from '../../bus/pci/pci-bus.ts';
import type { PortDevice } from '../../bus/port-bus.ts';

const CONFDATA = 4;
const CONFADD = { ENABLE: 0x8000_0000, WRITABLE: 0x80ff_fffc, CYCLE: 0x00ff_fffc } as const;
const ALL_ONES = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff } as const;

export class ConfigMechanism implements PortDevice, Device {
  readonly name = 'pci-config';
  readonly stateVersion = 1;
  readonly state = { address: 0 };
  readonly portWidths = [1, 2, 4] as const;
  readonly #bus: Pick<PciBus, 'read' | 'write'>;
  readonly #behind: PortDevice;

  /** `behind`: who answers bytes at the ports of CONFADD, with offsets from the first. */
  constructor(wiring: { bus: Pick<PciBus, 'read' | 'write'>; behind: PortDevice }) {
    this.#bus = wiring.bus;
    this.#behind = wiring.behind;
  }

  readPort(offset: number, size: 1 | 2 | 4): number {
    const { address } = this.state;
    if (offset >= CONFDATA) return this.#isEnabled ? this.#bus.read(this.#cycle(offset), size) : ALL_ONES[size];
    if (size === 4) return address;
    let value = 0;
    for (let index = size - 1; index >= 0; index--) value = (value << 8) | this.#behind.readPort(offset + index, 1);
    return value;
  }

  writePort(offset: number, value: number, size: 1 | 2 | 4): void {
    if (offset >= CONFDATA) {
      if (this.#isEnabled) this.#bus.write(this.#cycle(offset), value, size);
    } else if (size === 4) this.state.address = (value & CONFADD.WRITABLE) >>> 0;
    else
      for (let index = 0; index < size; index++)
        this.#behind.writePort(offset + index, (value >>> (8 * index)) & 0xff, 1);
  }

  reset(): void {
    this.state.address = 0;
  }

  resume(): void {}

  get #isEnabled(): boolean {
    return (this.state.address & CONFADD.ENABLE) !== 0;
  }

  #cycle(offset: number): number {
    return (this.state.address & CONFADD.CYCLE) | (offset - CONFDATA);
  }
}
