/**
 * A virtio device as a PCI function. Virtual I/O Device (VIRTIO) Version 1.2, section 4.1.
 *
 * Transitional, unless asked otherwise: drivers of before version 1 find ports at base address 0, the others four
 * structures in memory at base address 4, named by vendor capabilities, and a window to them in the configuration space.
 *
 * Not modelled: MSI-X (base address 1 and the end of the list of capabilities are kept for it); shared memory; the
 * interrupt status bit of the PCI status register.
 */
import type { VirtualClock } from '../../base/virtual-clock.ts';
import type { Device } from '../../bus/device.ts';
import type { DmaMemory } from '../../bus/dma-memory.ts';
import type { IrqLine } from '../../bus/irq-line.ts';
import type { MmioDevice } from '../../bus/mmio.ts';
import {
  type Capability,
  COMMAND,
  type ConfigDeclaration,
  ConfigSpace,
  type LiveRegister,
} from '../../bus/pci/config-space.ts';
import type { PciFunction } from '../../bus/pci/pci-bus.ts';
import type { PortDevice } from '../../bus/port-bus.ts';
import { COMMON_LENGTH, commonRegisters } from './common-registers.ts';
import { LEGACY_CONFIG, legacyRegisters } from './legacy-registers.ts';
import type { RegisterBlock } from './register-block.ts';
import { VirtioCore } from './virtio-core.ts';
import type { VirtioDevice } from './virtio-device.ts';

const VENDOR = 0x1af4;
/** Device IDs of transitional devices, by type; of all others 1040h and the type is that (4.1.2). */
const TRANSITIONAL_IDS: Readonly<Record<number, number>> = {
  ...{ 1: 0x1000, 2: 0x1001, 3: 0x1003, 4: 0x1005, 5: 0x1002, 8: 0x1004, 9: 0x1009 },
};
const MODERN_ID = 0x1040;
const BAR = { LEGACY: 0, STRUCTURES: 4 } as const;
const LEGACY_PORTS_LEAST = 64;
/** Types of vendor capabilities, and where the structures lie in base address 4. */
const CFG = { COMMON: 1, NOTIFY: 2, ISR: 3, DEVICE: 4, PCI: 5 } as const;
const PLACE = { COMMON: 0x0000, ISR: 0x1000, DEVICE: 0x2000, NOTIFY: 0x3000 } as const;
const STRUCTURES_SIZE = 0x4000;
const STRUCTURE_SIZE = 0x1000;
const NOTIFY_MULTIPLIER = 4;
const VENDOR_CAPABILITY = 0x09;
/** Fields of a capability; the last is a notification's multiplier, or what a window shows. */
const CAP = { LENGTH: 2, TYPE: 3, BAR: 4, OFFSET: 8, BYTES: 12, MORE: 16 } as const;
const CAPABILITIES = { COMMON: 0x40, NOTIFY: 0x50, ISR: 0x64, DEVICE: 0x74, WINDOW: 0x84 } as const;
/** Of the command register, since PCI 2.3. */
const INTERRUPT_DISABLE = 0x400;

export interface VirtioPciWiring {
  readonly clock: VirtualClock;
  readonly memory: DmaMemory;
  readonly device: VirtioDevice;
  /** Interrupt pin A. */
  readonly pin: IrqLine;
  /** Default: 'transitional', where the type has an ID for that. */
  readonly kind?: 'transitional' | 'modern';
}

export class VirtioPci implements PciFunction, Device {
  readonly name: string;
  readonly stateVersion = 1;
  readonly state = {
    config: new Uint8Array(256),
    deviceFeatureSelect: 0,
    driverFeatureSelect: 0,
    queueSelect: 0,
    /** The device's interrupt, which the command register may keep from the pin. */
    interrupt: 0 as 0 | 1,
  };
  readonly config: ConfigSpace;
  readonly core: VirtioCore;
  readonly #wiring: VirtioPciWiring;
  readonly #common: RegisterBlock;
  readonly #legacy: RegisterBlock;

  constructor(wiring: VirtioPciWiring) {
    this.#wiring = wiring;
    const { clock, memory, device } = wiring;
    this.name = `${device.name}-pci`;
    this.core = new VirtioCore({
      ...{ clock, memory, device },
      interrupt: { set: (level) => this.#setInterrupt(level) },
      // Drivers of before 2010 do not make the function a bus master.
      mayMaster: ({ legacy }) => legacy || (this.config.command & COMMAND.BUS_MASTER) !== 0,
    });
    this.#common = commonRegisters(this.core, this.state);
    this.#legacy = legacyRegisters(this.core, this.state);
    this.config = new ConfigSpace(this.#declaration(), this.state);
    this.config.onChange(() => {
      this.#drivePin();
      this.core.follow();
    });
  }

  /** The chips that this one is made of, each with a state of its own: the transport's core, and the device. */
  get parts(): readonly Device[] {
    return [this.core, this.#wiring.device];
  }

  reset(): void {
    this.config.reset();
    Object.assign(this.state, { deviceFeatureSelect: 0, driverFeatureSelect: 0, queueSelect: 0, interrupt: 0 });
  }

  resume(): void {
    this.config.resume();
  }

  #setInterrupt(level: 0 | 1): void {
    this.state.interrupt = level;
    this.#drivePin();
  }

  #drivePin(): void {
    this.#wiring.pin.set(this.config.command & INTERRUPT_DISABLE ? 0 : this.state.interrupt);
  }

  #declaration(): ConfigDeclaration {
    const { type, classCode } = this.#wiring.device;
    const transitional = this.#wiring.kind === 'modern' ? undefined : TRANSITIONAL_IDS[type];
    return {
      vendor: VENDOR,
      device: transitional ?? MODERN_ID + type,
      revision: transitional === undefined ? 1 : 0,
      classCode,
      subsystem: { vendor: VENDOR, device: type },
      interruptPin: 'A',
      command: { reset: 0, writable: COMMAND.IO | COMMAND.MEMORY | COMMAND.BUS_MASTER | INTERRUPT_DISABLE },
      baseAddresses: {
        ...(transitional === undefined ? {} : { [BAR.LEGACY]: this.#ports() }),
        [BAR.STRUCTURES]: { kind: 'memory', size: STRUCTURES_SIZE, device: this.#structures() },
      },
      capabilities: this.#capabilities(),
      live: [this.#window()],
    };
  }

  #ports() {
    const { name, configSize } = this.#wiring.device;
    const device: PortDevice = {
      name: `${name}-ports`,
      portWidths: [1, 2, 4],
      readPort: (offset, size) =>
        offset < LEGACY_CONFIG ? this.#legacy.read(offset, size) : this.#readDevice(offset - LEGACY_CONFIG, size),
      writePort: (offset, value, size) => {
        if (offset < LEGACY_CONFIG) this.#legacy.write(offset, value, size);
        else this.#writeDevice(offset - LEGACY_CONFIG, value, size);
      },
    };
    const size = Math.max(LEGACY_PORTS_LEAST, 2 ** Math.ceil(Math.log2(LEGACY_CONFIG + configSize)));
    return { kind: 'io', size, device } as const;
  }

  #structures(): MmioDevice {
    return {
      name: `${this.#wiring.device.name}-registers`,
      readMemory: (offset, size) => this.#readStructure(offset, size),
      writeMemory: (offset, value, size) => this.#writeStructure(offset, value, size),
    };
  }

  #readStructure(offset: number, size: number): number {
    const within = offset % STRUCTURE_SIZE;
    switch (offset - within) {
      case PLACE.COMMON:
        return this.#common.read(within, size);
      case PLACE.ISR:
        return within === 0 ? this.core.takeIsr() : 0;
      case PLACE.DEVICE:
        return this.#readDevice(within, size);
      default:
        return 0;
    }
  }

  #writeStructure(offset: number, value: number, size: number): void {
    const within = offset % STRUCTURE_SIZE;
    switch (offset - within) {
      case PLACE.COMMON:
        return this.#common.write(within, value, size);
      case PLACE.DEVICE:
        return this.#writeDevice(within, value, size);
      case PLACE.NOTIFY:
        // Where it is written says which queue is meant.
        return this.core.notify(Math.floor(within / NOTIFY_MULTIPLIER));
    }
  }

  #readDevice(offset: number, size: number): number {
    let value = 0;
    for (let index = size - 1; index >= 0; index--) value = value * 256 + this.core.readConfig(offset + index);
    return value;
  }

  #writeDevice(offset: number, value: number, size: number): void {
    for (let index = 0; index < size; index++)
      this.core.writeConfig(offset + index, Math.floor(value / 256 ** index) % 256);
  }

  #capabilities(): Capability[] {
    const { configSize, queueSizes } = this.#wiring.device;
    const capability = (at: number, type: number, place: readonly [offset: number, length: number], more?: number) => ({
      id: VENDOR_CAPABILITY,
      offset: at,
      registers: [
        { offset: at + CAP.LENGTH, size: 1 as const, reset: CAP.MORE + (more === undefined ? 0 : 4) },
        { offset: at + CAP.TYPE, size: 1 as const, reset: type },
        { offset: at + CAP.BAR, size: 1 as const, reset: BAR.STRUCTURES },
        { offset: at + CAP.OFFSET, size: 4 as const, reset: place[0] },
        { offset: at + CAP.BYTES, size: 4 as const, reset: place[1] },
        ...(more === undefined ? [] : [{ offset: at + CAP.MORE, size: 4 as const, reset: more }]),
      ],
    });
    const notifications = NOTIFY_MULTIPLIER * queueSizes.length;
    return [
      capability(CAPABILITIES.COMMON, CFG.COMMON, [PLACE.COMMON, COMMON_LENGTH]),
      capability(CAPABILITIES.NOTIFY, CFG.NOTIFY, [PLACE.NOTIFY, notifications], NOTIFY_MULTIPLIER),
      capability(CAPABILITIES.ISR, CFG.ISR, [PLACE.ISR, 1]),
      ...(configSize > 0 ? [capability(CAPABILITIES.DEVICE, CFG.DEVICE, [PLACE.DEVICE, configSize])] : []),
      windowCapability(),
    ];
  }

  /** VIRTIO_PCI_CAP_PCI_CFG: its last doubleword is what lies where the others say (4.1.4.9). */
  #window(): LiveRegister {
    const at = CAPABILITIES.WINDOW;
    const place = (size: number) => {
      const [bar, offset, bytes] = [CAP.BAR, CAP.OFFSET, CAP.BYTES].map((field) =>
        this.config.read(at + field, field === CAP.BAR ? 1 : 4),
      );
      const room = bar === BAR.STRUCTURES ? STRUCTURES_SIZE : 0;
      const isWhole = bytes === size && offset % size === 0;
      return isWhole && offset + size <= room ? offset : undefined;
    };
    return {
      offset: at + CAP.MORE,
      size: 4,
      read: (within, size) => {
        const offset = within === 0 ? place(size) : undefined;
        return offset === undefined ? 0 : this.#readStructure(offset, size);
      },
      write: (within, value, size) => {
        const offset = within === 0 ? place(size) : undefined;
        if (offset !== undefined) this.#writeStructure(offset, value, size);
      },
    };
  }
}

/** The driver says where to look. */
function windowCapability(): Capability {
  const at = CAPABILITIES.WINDOW;
  return {
    id: VENDOR_CAPABILITY,
    offset: at,
    registers: [
      { offset: at + CAP.LENGTH, size: 1, reset: CAP.MORE + 4 },
      { offset: at + CAP.TYPE, size: 1, reset: CFG.PCI },
      { offset: at + CAP.BAR, size: 1, reset: 0, writable: 0xff },
      { offset: at + CAP.OFFSET, size: 4, reset: 0, writable: 0xffff_ffff },
      { offset: at + CAP.BYTES, size: 4, reset: 0, writable: 0xffff_ffff },
    ],
  };
}
