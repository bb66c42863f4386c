/**
 * The IDE interface of the Intel 82371SB (PIIX3), order number 290550, function 1: two channels with a bus master each.
 *
 * The PIIX3 decodes the ports of old (compatibility mode) and nothing else. Other controllers can be switched to ports of
 * their base addresses and to a PCI interrupt, channel by channel (native mode): PCI IDE Controller Specification 1.0. Here
 * the board says which kind it is.
 *
 * Not modelled: timings (IDETIM, SIDETIM are stored; of IDETIM the decode enable counts).
 */
import type { Device } from '../../bus/device.ts';
import type { DmaMemory } from '../../bus/dma-memory.ts';
import type { IrqLine } from '../../bus/irq-line.ts';
import {
  type AddressWindow,
  COMMAND,
  type ConfigDeclaration,
  type ConfigRegister,
  ConfigSpace,
  STATUS,
} from '../../bus/pci/config-space.ts';
import type { PciFunction } from '../../bus/pci/pci-bus.ts';
import type { PortDevice, PortRange } from '../../bus/port-bus.ts';
import { BUS_MASTER_PORTS, BusMaster } from '../ide/bus-master.ts';
import { IdeChannel, type IdeChannelOptions } from '../ide/ide-channel.ts';

const REGISTER = { PROGRAMMING_INTERFACE: 0x09, BASE_ADDRESS: 0x10, SIDETIM: 0x44 } as const;
const BUS_MASTER_BAR = 4;
/** What firmware has to set for software that does not. */
export const PIIX3_IDE = {
  /** Of each channel. */
  IDETIM: [0x40, 0x42],
  /** In IDETIM: the channel's ports are decoded. */
  DECODE_ENABLE: 0x8000,
  BUS_MASTER_BASE: REGISTER.BASE_ADDRESS + 4 * BUS_MASTER_BAR,
} as const;
/** Of the programming interface, for channel 0; those of channel 1 are two bits above. */
const NATIVE = { IS: 0x01, CAN_BE: 0x02 } as const;
const BUS_MASTER_CAPABLE = 0x80;
/** Ports of a channel in native mode. Of the control block, the third is device control. */
const NATIVE_PORTS = { COMMAND: 8, CONTROL: 4, DEVICE_CONTROL: 2 } as const;
const CHANNELS = [0, 1] as const;
type ChannelNumber = (typeof CHANNELS)[number];

export interface Piix3IdeWiring {
  readonly memory: DmaMemory;
  /** Of each channel: its drives, and where its ports and its interrupt are in compatibility mode. */
  readonly channels: readonly [Piix3Channel, Piix3Channel];
  /** Interrupt pin A, for channels in native mode. */
  readonly pin?: IrqLine;
  /** Default: 'compatibility', as the PIIX3 is. */
  readonly modes?: 'compatibility' | 'switchable';
}

export interface Piix3Channel {
  readonly drives: IdeChannelOptions['drives'];
  readonly command: PortRange;
  readonly control: PortRange;
  readonly irq: IrqLine;
}

interface Channel {
  readonly ide: IdeChannel;
  readonly busMaster: BusMaster;
  readonly nativeControl: PortDevice;
}

const declaration = (modes: 'compatibility' | 'switchable', busMasters: PortDevice): ConfigDeclaration => {
  const switchable = modes === 'switchable';
  const interfaceBits = BUS_MASTER_CAPABLE | (switchable ? NATIVE.CAN_BE * 0b101 : 0);
  const native: ConfigRegister[] = [
    { offset: REGISTER.PROGRAMMING_INTERFACE, size: 1, reset: interfaceBits, writable: NATIVE.IS * 0b101 },
    ...CHANNELS.flatMap((channel) =>
      [NATIVE_PORTS.COMMAND, NATIVE_PORTS.CONTROL].map((ports, index) => ({
        ...{ offset: REGISTER.BASE_ADDRESS + 4 * (2 * channel + index), size: 4 as const },
        ...{ reset: 1, writable: 0x1_0000 - ports },
      })),
    ),
  ];
  return {
    vendor: 0x8086,
    device: 0x7010,
    classCode: 0x01_01_00 | interfaceBits,
    command: { reset: 0, writable: COMMAND.IO | COMMAND.BUS_MASTER },
    status: STATUS.DEVSEL_MEDIUM | STATUS.FAST_BACK_TO_BACK,
    ...(switchable ? { interruptPin: 'A' as const } : {}),
    baseAddresses: { [BUS_MASTER_BAR]: { kind: 'io', size: 2 * BUS_MASTER_PORTS, device: busMasters } },
    registers: [
      { offset: 0x0d, size: 1, reset: 0, writable: 0xf0 }, // MLT
      ...CHANNELS.map((channel) => ({
        ...{ offset: PIIX3_IDE.IDETIM[channel], size: 2 as const },
        ...{ reset: 0, writable: 0xf3ff },
      })),
      { offset: REGISTER.SIDETIM, size: 1, reset: 0, writable: 0xff },
      ...(switchable ? native : []),
    ],
  };
};

export class Piix3Ide implements PciFunction, Device {
  readonly name = 'piix3-ide';
  readonly stateVersion = 1;
  readonly state = {
    config: new Uint8Array(256),
    /** INTRQ of each channel: what a bus master sees is its rising. */
    intrq: [0, 0] as [0 | 1, 0 | 1],
  };
  readonly config: ConfigSpace;
  readonly #wiring: Piix3IdeWiring;
  readonly #channels: readonly [Channel, Channel];
  #mayMaster = false;

  constructor(wiring: Piix3IdeWiring) {
    this.#wiring = wiring;
    this.#channels = [this.#createChannel(0), this.#createChannel(1)];
    const busMasters: PortDevice = {
      name: 'bus-master-ide',
      readPort: (offset) => this.#busMasterAt(offset).readPort(offset % BUS_MASTER_PORTS),
      writePort: (offset, value) => this.#busMasterAt(offset).writePort(offset % BUS_MASTER_PORTS, value),
    };
    this.config = new ConfigSpace(declaration(wiring.modes ?? 'compatibility', busMasters), this.state);
    this.config.onChange(() => this.#follow());
  }

  /** The chips that this one is made of, each with a state of its own; drives are not among them. */
  get parts(): readonly Device[] {
    return this.#channels.flatMap(({ ide, busMaster }) => [busMaster, ide]);
  }

  windows(): readonly AddressWindow[] {
    if ((this.config.command & COMMAND.IO) === 0) return [];
    return CHANNELS.flatMap((number) => {
      const { ide, nativeControl } = this.#channels[number];
      const window = (first: number, length: number, device: PortDevice) =>
        ({ space: 'io', first, length, device }) as const;
      if (!this.#isNative(number)) {
        if ((this.config.read(PIIX3_IDE.IDETIM[number], 2) & PIIX3_IDE.DECODE_ENABLE) === 0) return [];
        const { command, control } = this.#wiring.channels[number];
        return [window(...command, ide.commandBlock), window(...control, ide.controlBlock)];
      }
      const base = (index: number) => this.config.read(REGISTER.BASE_ADDRESS + 4 * (2 * number + index), 2) & 0xfffc;
      return [
        window(base(0), NATIVE_PORTS.COMMAND, ide.commandBlock),
        window(base(1), NATIVE_PORTS.CONTROL, nativeControl),
      ];
    });
  }

  reset(): void {
    this.config.reset();
    this.state.intrq = [0, 0];
  }

  resume(): void {
    this.#mayMaster = this.#isMaster;
    this.config.resume();
  }

  #createChannel(number: ChannelNumber): Channel {
    const name = `ide${number}`;
    const busMaster: BusMaster = new BusMaster({
      name: `${name}-bus-master`,
      memory: this.#wiring.memory,
      isEnabled: () => this.#isMaster,
      canMove: () => ide.moveByDma(),
    });
    const intrq: IrqLine = { set: (level) => this.#setIntrq(number, level) };
    const ide = new IdeChannel({ name, drives: this.#wiring.channels[number].drives, intrq, dma: busMaster });
    const nativeControl: PortDevice = {
      name: ide.controlBlock.name,
      readPort: (offset) => (offset === NATIVE_PORTS.DEVICE_CONTROL ? ide.controlBlock.readPort(0, 1) : 0xff),
      writePort: (offset, value) => {
        if (offset === NATIVE_PORTS.DEVICE_CONTROL) ide.controlBlock.writePort(0, value, 1);
      },
    };
    return { ide, busMaster, nativeControl };
  }

  get #isMaster(): boolean {
    return (this.config.command & COMMAND.BUS_MASTER) !== 0;
  }

  #busMasterAt(offset: number): BusMaster {
    return this.#channels[offset < BUS_MASTER_PORTS ? 0 : 1].busMaster;
  }

  #isNative(number: ChannelNumber): boolean {
    if (this.#wiring.modes !== 'switchable') return false;
    return (this.config.read(REGISTER.PROGRAMMING_INTERFACE, 1) & (NATIVE.IS << (2 * number))) !== 0;
  }

  #setIntrq(number: ChannelNumber, level: 0 | 1): void {
    const { intrq } = this.state;
    if (level === intrq[number]) return;
    intrq[number] = level;
    if (level) this.#channels[number].busMaster.interrupt();
    this.#driveInterrupts();
  }

  #driveInterrupts(): void {
    let pin: 0 | 1 = 0;
    for (const number of CHANNELS) {
      const level = this.state.intrq[number];
      const native = this.#isNative(number);
      if (native && level) pin = 1;
      this.#wiring.channels[number].irq.set(native ? 0 : level);
    }
    this.#wiring.pin?.set(pin);
  }

  #follow(): void {
    this.#driveInterrupts();
    const couldBefore = this.#mayMaster;
    this.#mayMaster = this.#isMaster;
    if (this.#mayMaster && !couldBefore) for (const { ide } of this.#channels) ide.moveByDma();
  }
}
