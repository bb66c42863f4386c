/**
 * Power management: function 3 of the Intel 82371AB (PIIX4), order number 290562, with the ACPI registers that its base
 * address points to. As in QEMU's PC it sits beside a PIIX3, and general-purpose events are a block of their own.
 *
 * Nothing ticks: the timer is a function of guest time; an alarm is set only for an overflow that would interrupt.
 *
 * Not modelled: system management mode: the chip does by itself what a firmware's handler does at a write to the SMI
 * command port (ACPI on and off), and says at reset that SMIs have been set up, so that SeaBIOS leaves them alone. Sleep
 * states but soft off; throttling and processor power states (P_LVL2 and P_LVL3 read 0); the SMBus (its registers are
 * stored, nobody is there); device activity monitors (stored); RTC_STS, which a clock alarm would set.
 */
import { type BitField, extract } from '../../base/bits.ts';
import type { Alarm, VirtualClock } from '../../base/virtual-clock.ts';
import type { Device } from '../../bus/device.ts';
import type { IrqLine } from '../../bus/irq-line.ts';
import {
  type AddressWindow,
  COMMAND,
  type ConfigDeclaration,
  ConfigSpace,
  STATUS,
} from '../../bus/pci/config-space.ts';
import type { PciFunction } from '../../bus/pci/pci-bus.ts';
import type { PortDevice } from '../../bus/port-bus.ts';
import { ticksAt, timeOfTick } from '../crystal.ts';

const REGISTER = { PMBA: 0x40, PMREGMISC: 0x80, SMBBA: 0x90 } as const;
const PMREGMISC_PMIOSE = 0x01;
const PM_PORTS = 64;

/** Ports from the base address on. */
const PORT = { PMSTS: 0x00, PMEN: 0x02, PMCNTRL: 0x04, PMTMR: 0x08 } as const;
/** Of PMSTS; PMEN has the same bits where an event can interrupt. */
const EVENT = { TMROF: 0x0001, BM: 0x0010, GBL: 0x0020, PWRBTN: 0x0100, RTC: 0x0400, RSM: 0x8000 } as const;
const ENABLE_BITS = EVENT.TMROF | EVENT.GBL | EVENT.PWRBTN | EVENT.RTC;
const CONTROL = { SCI_EN: 0x0001, BRLD_EN_BM: 0x0002, SUS_EN: 0x2000 } as const;
const SUS_TYP: BitField = [10, 12];
const CONTROL_STORED = CONTROL.SCI_EN | CONTROL.BRLD_EN_BM | 0x1c00;
const SUS_SOFT_OFF = 0;
/** What firmware tells the operating system in its FADT, and its handler of SMIs answers. */
const SMI_COMMAND = { ACPI_ENABLE: 0xf1, ACPI_DISABLE: 0xf0 } as const;

export const PM_TIMER_HZ = 3_579_545;
const TIMER_MASK = 0xff_ffff;
/** TMROF_STS is set whenever bit 23 changes. */
const HALF_PERIOD = 2 ** 23;

const stored = (offset: number, size: 1 | 2 | 4, reset = 0) => ({ offset, size, reset, writable: 0xffff_ffff });

const DECLARATION: ConfigDeclaration = {
  vendor: 0x8086,
  device: 0x7113,
  classCode: 0x06_80_00,
  revision: 0x03,
  command: { reset: 0, writable: COMMAND.IO },
  status: STATUS.DEVSEL_MEDIUM | STATUS.FAST_BACK_TO_BACK,
  interruptPin: 'A',
  registers: [
    { offset: REGISTER.PMBA, size: 4, reset: 1, writable: 0xffc0 },
    stored(0x44, 4), // CNTA
    stored(0x48, 4), // CNTB
    stored(0x4c, 4), // GPICTL
    stored(0x50, 4), // DEVRESD
    stored(0x54, 4), // DEVACTA
    stored(0x58, 4, 0x0200_0000), // DEVACTB, with APMC_EN
    ...Array.from({ length: 8 }, (_, index) => stored(0x5c + 4 * index, 4)), // DEVRESA–DEVRESJ
    stored(REGISTER.PMREGMISC, 1),
    { offset: REGISTER.SMBBA, size: 4, reset: 1, writable: 0xfff0 },
    stored(0xd2, 4), // SMBHSTCFG, SMBSLVC, SMBSHDW1, SMBSHDW2
  ],
};

export interface Piix4PowerWiring {
  readonly clock: VirtualClock;
  /** System control interrupt, a level. */
  readonly sci: IrqLine;
  /** Soft off. */
  readonly powerOff: () => void;
}

export class Piix4Power implements PciFunction, Device {
  readonly name = 'piix4-power';
  readonly stateVersion = 1;
  readonly state = {
    config: new Uint8Array(256),
    /** Half periods of the timer that PMSTS has taken into account. */
    halfPeriods: 0,
    status: 0,
    enable: 0,
    control: 0,
    /** General-purpose events, bit by bit. */
    gpe: { status: 0, enable: 0 },
    /** The last values written to the SMI command and status ports. */
    apm: { command: 0, status: 0 },
  };
  readonly config = new ConfigSpace(DECLARATION, this.state);
  /** Two bytes of status, two of enables. */
  readonly generalPurposeEvents: PortDevice;
  /** APMC and APMS: the SMI command port and what firmware passes to its handler. */
  readonly smiCommand: PortDevice;
  readonly #registers: PortDevice;
  readonly #wiring: Piix4PowerWiring;
  #alarm: Alarm | undefined;

  constructor(wiring: Piix4PowerWiring) {
    this.#wiring = wiring;
    this.state.halfPeriods = this.#halfPeriodsNow;
    this.#registers = {
      name: this.name,
      portWidths: [1, 2, 4],
      readPort: (offset, size) => this.#read(offset, size),
      writePort: (offset, value, size) => this.#write(offset, value, size),
    };
    this.generalPurposeEvents = {
      name: 'gpe',
      readPort: (offset) => (this.#gpeWord >>> (8 * offset)) & 0xff,
      writePort: (offset, value) => this.#writeGpe(offset, value),
    };
    this.smiCommand = {
      name: 'smi-command',
      readPort: (offset) => (offset === 0 ? this.state.apm.command : this.state.apm.status),
      writePort: (offset, value) => this.#writeSmiCommand(offset, value),
    };
  }

  /** The 64 ports from PMBA on, while PMREGMISC enables them. */
  windows(): readonly AddressWindow[] {
    if ((this.config.read(REGISTER.PMREGMISC, 1) & PMREGMISC_PMIOSE) === 0) return [];
    const first = this.config.read(REGISTER.PMBA, 2) & 0xffc0;
    return [{ space: 'io', first, length: PM_PORTS, device: this.#registers }];
  }

  /** Somebody presses the power button: what comes of it is up to the guest. */
  pressPowerButton(): void {
    this.state.status |= EVENT.PWRBTN;
    this.#follow();
  }

  reset(): void {
    const { state } = this;
    this.config.reset();
    state.halfPeriods = this.#halfPeriodsNow;
    state.status = 0;
    state.enable = 0;
    state.control = 0;
    state.gpe = { status: 0, enable: 0 };
    state.apm = { command: 0, status: 0 };
  }

  resume(): void {
    this.config.resume();
    // Not brought up to now: what was saved is what is there.
    this.#drive();
  }

  get #ticks(): number {
    return ticksAt(this.#wiring.clock.now, PM_TIMER_HZ);
  }

  get #halfPeriodsNow(): number {
    return Math.floor(this.#ticks / HALF_PERIOD);
  }

  get #gpeWord(): number {
    const { status, enable } = this.state.gpe;
    return ((enable << 16) | status) >>> 0;
  }

  #read(offset: number, size: 1 | 2 | 4): number {
    const value = this.#doubleword(offset & ~3) >>> (8 * (offset & 3));
    return size === 4 ? value : value & (size === 2 ? 0xffff : 0xff);
  }

  #doubleword(offset: number): number {
    const { state } = this;
    switch (offset) {
      case PORT.PMSTS:
        this.#update();
        return ((state.enable << 16) | state.status) >>> 0;
      case PORT.PMCNTRL:
        return state.control;
      case PORT.PMTMR:
        return this.#ticks & TIMER_MASK;
      default:
        return 0;
    }
  }

  #write(offset: number, value: number, size: 1 | 2 | 4): void {
    this.#update();
    for (let index = 0; index < size; index++) this.#writeByte(offset + index, (value >>> (8 * index)) & 0xff);
    this.#follow();
  }

  #writeByte(offset: number, value: number): void {
    const { state } = this;
    const shift = 8 * (offset & 1);
    const bits = value << shift;
    const others = 0xff00 >>> shift;
    switch (offset & ~1) {
      case PORT.PMSTS:
        state.status &= ~bits;
        break;
      case PORT.PMEN:
        state.enable = (state.enable & others) | (bits & ENABLE_BITS);
        break;
      case PORT.PMCNTRL:
        state.control = (state.control & others) | (bits & CONTROL_STORED);
        if (bits & CONTROL.SUS_EN && extract(state.control, SUS_TYP) === SUS_SOFT_OFF) this.#wiring.powerOff();
        break;
    }
  }

  #writeGpe(offset: number, value: number): void {
    const { gpe } = this.state;
    const shift = 8 * (offset & 1);
    if (offset < 2) gpe.status &= ~(value << shift);
    else gpe.enable = (gpe.enable & (0xff00 >>> shift)) | (value << shift);
    this.#follow();
  }

  #writeSmiCommand(offset: number, value: number): void {
    const { state } = this;
    if (offset === 1) {
      state.apm.status = value;
      return;
    }
    state.apm.command = value;
    if (value === SMI_COMMAND.ACPI_ENABLE) state.control |= CONTROL.SCI_EN;
    else if (value === SMI_COMMAND.ACPI_DISABLE) state.control &= ~CONTROL.SCI_EN;
    this.#follow();
  }

  /** Brings PMSTS up to now. */
  #update(): void {
    const { state } = this;
    const now = this.#halfPeriodsNow;
    if (now > state.halfPeriods) state.status |= EVENT.TMROF;
    state.halfPeriods = now;
  }

  #follow(): void {
    this.#update();
    this.#drive();
  }

  /** Drives the SCI and sets the alarm for the next overflow, if that would interrupt. */
  #drive(): void {
    const { clock, sci } = this.#wiring;
    const { state } = this;
    const on = (state.control & CONTROL.SCI_EN) !== 0;
    const events = (state.status & state.enable) | (state.gpe.status & state.gpe.enable);
    sci.set(on && events !== 0 ? 1 : 0);
    this.#alarm?.cancel();
    this.#alarm = undefined;
    if (!on || (state.enable & ~state.status & EVENT.TMROF) === 0) return;
    this.#alarm = clock.setAlarm(timeOfTick((state.halfPeriods + 1) * HALF_PERIOD, PM_TIMER_HZ), () => {
      this.#alarm = undefined;
      this.#follow();
    });
  }
}
