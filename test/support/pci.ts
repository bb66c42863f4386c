/** PCI chips on a bench. */
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { Device } from '../../src/bus/device.ts';
import type { MmioDevice } from '../../src/bus/mmio.ts';
import { ConfigSpace } from '../../src/bus/pci/config-space.ts';
import { configAddress, PciBus, type PciFunction, type PciPlace } from '../../src/bus/pci/pci-bus.ts';
import { PortBus, type PortDevice } from '../../src/bus/port-bus.ts';
import { ConfigMechanism } from '../../src/devices/pci/config-mechanism.ts';
import { I440fx } from '../../src/devices/pci/i440fx.ts';
import { Piix3 } from '../../src/devices/pci/piix3.ts';
import { Piix4Power } from '../../src/devices/pci/piix4-power.ts';
import type { RamRoute } from '../../src/memory/guest-memory.ts';
import { RecordingLine } from './devices.ts';

/** A bus whose memory space takes everything and answers nothing. */
export function createPciBus() {
  const ports = new PortBus();
  const bus = new PciBus({ ports, memory: { mapMmio: () => () => {} } });
  return { bus, ports };
}

/** Reads and writes a function's registers as software does. */
export function registersOf(bus: PciBus, place: PciPlace) {
  const read = (register: number, size: 1 | 2 | 4 = 1) => bus.read(configAddress(place, register), size);
  const write = (register: number, value: number, size: 1 | 2 | 4 = 1) =>
    bus.write(configAddress(place, register), value, size);
  return { read, write };
}

/** The mechanism over a bus with one function, at 2.0, and who is behind it at the ports of CONFADD. */
export function createConfigMechanism() {
  const { bus, ports } = createPciBus();
  const behind: (string | number)[][] = [];
  const other = {
    name: 'other',
    readPort: (offset: number) => 0x50 + offset,
    writePort: (offset: number, value: number) => void behind.push([offset, value]),
  };
  const mechanism = new ConfigMechanism({ bus, behind: other });
  const tested = createTestFunction();
  bus.attach({ device: 2, function: 0 }, tested);
  ports.attach([0xcf8, 8], mechanism);
  return { mechanism, tested, bus, ports, behind };
}

/** A host bridge; `routes` are those of its segments now, `smram` that behind the video adapter. */
export function createI440fx() {
  const { bus, ports } = createPciBus();
  const routes: RamRoute[] = [];
  const smram: RamRoute[] = [];
  const chip = new I440fx({
    routeSegment: (segment, route) => {
      routes[segment] = route;
    },
    routeSmram: (route) => {
      smram[0] = route;
    },
  });
  bus.attach({ device: 0, function: 0 }, chip);
  return { chip, bus, ports, routes, smram: () => smram[0], ...registersOf(bus, { device: 0, function: 0 }) };
}

export function createPiix3() {
  const clock = new VirtualClock();
  const lines = Array.from({ length: 16 }, () => new RecordingLine(clock));
  const { bus, ports } = createPciBus();
  const resets: string[] = [];
  const chip = new Piix3({ irq: (irq) => lines[irq], reset: (kind) => resets.push(kind) });
  bus.attach({ device: 1, function: 0 }, chip);
  /** Interrupts that are asserted. */
  const asserted = () => lines.flatMap(({ level }, irq) => (level ? [irq] : []));
  return { chip, bus, ports, lines, clock, asserted, resets, ...registersOf(bus, { device: 1, function: 0 }) };
}

/** Where `createPiix4Power` puts the registers, with ACPI enabled. */
export const PM_BASE = 0xb000;

export function createPiix4Power() {
  const clock = new VirtualClock();
  const sci = new RecordingLine(clock);
  const { bus, ports } = createPciBus();
  let powerOffs = 0;
  const chip = new Piix4Power({ clock, sci, powerOff: () => powerOffs++ });
  bus.attach({ device: 1, function: 3 }, chip);
  ports.attach([0xb2, 2], chip.smiCommand);
  ports.attach([0xafe0, 4], chip.generalPurposeEvents);
  const registers = registersOf(bus, { device: 1, function: 3 });
  registers.write(0x40, PM_BASE, 4);
  registers.write(0x80, 1);
  return { chip, bus, ports, clock, sci, powerOffs: () => powerOffs, ...registers };
}

/** A function with 16 ports and some memory, which keep what is written to them. */
export function createTestFunction(options: { readonly size?: number; readonly device?: number } = {}) {
  const { size = 4096, device = 0x5678 } = options;
  const state = { config: new Uint8Array(256), memory: new Uint8Array(size), ports: new Uint8Array(16) };
  const memory: MmioDevice = {
    name: 'test-memory',
    readMemory(offset, width) {
      let value = 0;
      for (let index = width - 1; index >= 0; index--) value = value * 256 + state.memory[offset + index];
      return value;
    },
    writeMemory(offset, value, width) {
      for (let index = 0; index < width; index++) state.memory[offset + index] = value / 256 ** index;
    },
  };
  const ports: PortDevice = {
    name: 'test-ports',
    readPort: (offset) => state.ports[offset],
    writePort: (offset, value) => {
      state.ports[offset] = value;
    },
  };
  const config = new ConfigSpace(
    {
      vendor: 0x1234,
      device,
      classCode: 0xff_00_00,
      interruptPin: 'A',
      baseAddresses: { 0: { kind: 'memory', size, device: memory }, 1: { kind: 'io', size: 16, device: ports } },
    },
    state,
  );
  const reset = () => config.reset();
  const resume = () => config.resume();
  return { name: 'test', stateVersion: 1, state, config, reset, resume } satisfies PciFunction & Device;
}
