/**
 * Real-time clock with CMOS RAM. Motorola MC146818A datasheet, ADI856; 128 bytes and the index port's NMI mask as in the
 * 82371SB (PIIX3), order number 290550.
 *
 * Nothing ticks: the registers are brought up to the guest time of the access; alarms are set only for interrupts
 * that are enabled and not already pending.
 *
 * Not modelled: daylight saving (DSE is stored), the square wave output (PC boards leave the pin open), time bases
 * other than 32.768 kHz (their divider settings run at its rate).
 */
import { type BitField, extract } from '../base/bits.ts';
import type { Alarm, VirtualClock } from '../base/virtual-clock.ts';
import type { Device } from '../bus/device.ts';
import type { IrqLine } from '../bus/irq-line.ts';
import type { PortDevice } from '../bus/port-bus.ts';
import { ticksAt, timeOfTick } from './crystal.ts';
import { calendarAt, lengthOfMonth, SECONDS_PER_DAY } from './rtc-calendar.ts';

const CRYSTAL_HZ = 32_768;
const NS_PER_SECOND = 1_000_000_000;
/** UIP is set 244 µs before the update cycle, which takes 1984 µs. [MC146818] "Update Cycle Times". */
const UPDATE_IN_PROGRESS = 244_000 + 1_984_000;

const REGISTER = {
  SECONDS: 0x0,
  SECONDS_ALARM: 0x1,
  MINUTES: 0x2,
  MINUTES_ALARM: 0x3,
  HOURS: 0x4,
  HOURS_ALARM: 0x5,
  DAY_OF_WEEK: 0x6,
  DATE_OF_MONTH: 0x7,
  MONTH: 0x8,
  YEAR: 0x9,
  A: 0xa,
  B: 0xb,
  C: 0xc,
  D: 0xd,
  /** Not of the chip: the RAM byte in which a PC's firmware keeps the century. It is counted on here. */
  CENTURY: 0x32,
} as const;
const A = { UIP: 0x80 } as const;
const A_DV: BitField = [4, 6];
const A_RS: BitField = [0, 3];
const B = { SET: 0x80, PIE: 0x40, AIE: 0x20, UIE: 0x10, SQWE: 0x08, DM: 0x04, HOURS_24: 0x02 } as const;
const C = { IRQF: 0x80, PF: 0x40, AF: 0x20, UF: 0x10 } as const;
const D = { VRT: 0x80 } as const;
const HOURS_PM = 0x80;
/** Alarm bytes from C0h on match any value. */
const DONT_CARE = 0xc0;
const INDEX = { NMI_MASK: 0x80, REGISTER: 0x7f } as const;

export class Rtc146818 implements PortDevice, Device {
  readonly name = 'rtc';
  readonly stateVersion = 1;
  readonly state = {
    /** What was last written to port 70h. */
    index: 0,
    registers: new Uint8Array(128),
    /** Guest time (ns) at which the divider chain was zero; updates end at whole seconds after it. */
    dividerZero: 0,
    /** Whole seconds after `dividerZero` that the time registers have taken into account. */
    seconds: 0,
    /** Periods of the crystal after `dividerZero` that the periodic flag has taken into account. */
    periods: 0,
  };
  readonly #clock: VirtualClock;
  readonly #irq: IrqLine;
  #alarm: Alarm | undefined;

  /** `startTime`: what the clock shows now, in seconds since 1 January 1970, 0:00, on the guest's own clock. */
  constructor(options: { clock: VirtualClock; irq: IrqLine; startTime: number }) {
    this.#clock = options.clock;
    this.#irq = options.irq;
    const { state } = this;
    state.dividerZero = this.#clock.now;
    state.registers[REGISTER.A] = 0x26; // 32.768 kHz, 1024 Hz periodic rate
    state.registers[REGISTER.B] = B.HOURS_24;
    state.registers[REGISTER.D] = D.VRT;
    this.#setCalendar(Math.max(0, Math.floor(options.startTime)));
  }

  /** Bit 7 of port 70h: NMI does not reach the processor. */
  get nmiMasked(): boolean {
    return (this.state.index & INDEX.NMI_MASK) !== 0;
  }

  /** Port 70h is write-only; port 71h is the register selected there. */
  readPort(offset: number): number {
    return offset === 0 ? 0xff : this.readCmos(this.state.index & INDEX.REGISTER);
  }

  writePort(offset: number, value: number): void {
    if (offset === 0) this.state.index = value;
    else this.writeCmos(this.state.index & INDEX.REGISTER, value);
  }

  /** A register 0–127, with the effects that a guest's read has. */
  readCmos(register: number): number {
    const { registers } = this.state;
    this.#update();
    if (register === REGISTER.A) return registers[REGISTER.A] | (this.#updateInProgress ? A.UIP : 0);
    const value = registers[register];
    if (register !== REGISTER.C) return value;
    registers[REGISTER.C] = 0;
    this.#follow();
    return value;
  }

  /** Writes a register 0–127 as a guest would; also how firmware and machine leave values in the RAM. */
  writeCmos(register: number, value: number): void {
    const { registers } = this.state;
    this.#update();
    switch (register) {
      case REGISTER.A:
        this.#writeA(value);
        break;
      case REGISTER.B:
        registers[REGISTER.B] = value & B.SET ? value & ~B.UIE : value; // SET clears UIE
        break;
      case REGISTER.C:
      case REGISTER.D:
        break; // read-only
      default:
        registers[register] = value;
    }
    this.#follow();
  }

  /** RESET#: clears the interrupt enables and flags and SQWE; time, RAM and divider go on. */
  reset(): void {
    const { registers } = this.state;
    this.#update();
    registers[REGISTER.B] &= ~(B.PIE | B.AIE | B.UIE | B.SQWE);
    registers[REGISTER.C] = 0;
    this.state.index = 0;
  }

  resume(): void {
    const { state } = this;
    const { now } = this.#clock;
    // What a damaged snapshot says shall neither make days be counted for ever nor alarms that are always due.
    if (!(state.dividerZero >= -NS_PER_SECOND && state.dividerZero <= now)) state.dividerZero = now;
    const age = now - state.dividerZero;
    state.seconds = within(state.seconds, Math.floor(age / NS_PER_SECOND));
    state.periods = within(state.periods, ticksAt(age, CRYSTAL_HZ));
    this.#follow();
  }

  /** Divider settings 11x hold the chain in reset; of the others a PC uses only 010. */
  get #dividerRuns(): boolean {
    return extract(this.state.registers[REGISTER.A], A_DV) <= 2;
  }

  get #timeRuns(): boolean {
    return this.#dividerRuns && !(this.state.registers[REGISTER.B] & B.SET);
  }

  get #nextUpdate(): number {
    return this.state.dividerZero + (this.state.seconds + 1) * NS_PER_SECOND;
  }

  get #updateInProgress(): boolean {
    return this.#timeRuns && this.#clock.now >= this.#nextUpdate - UPDATE_IN_PROGRESS;
  }

  /** Length of the periodic interrupt's period in periods of the crystal; 0: none. [MC146818] table 5. */
  get #periodicLength(): number {
    const rate = extract(this.state.registers[REGISTER.A], A_RS);
    if (rate === 0) return 0;
    return rate <= 2 ? 1 << (rate + 6) : 1 << (rate - 1);
  }

  #writeA(value: number): void {
    const { state } = this;
    const ran = this.#dividerRuns;
    state.registers[REGISTER.A] = value & ~A.UIP;
    if (ran || !this.#dividerRuns) return;
    // "the first update cycle begins one-half second later"
    state.dividerZero = this.#clock.now - NS_PER_SECOND / 2;
    state.seconds = 0;
    state.periods = ticksAt(NS_PER_SECOND / 2, CRYSTAL_HZ);
  }

  /** Brings registers and flags up to now. */
  #update(): void {
    const { state } = this;
    if (!this.#dividerRuns) return;
    const age = this.#clock.now - state.dividerZero;

    const periods = ticksAt(age, CRYSTAL_HZ);
    const length = this.#periodicLength;
    if (length > 0 && Math.floor(periods / length) > Math.floor(state.periods / length)) this.#raise(C.PF);
    state.periods = periods;

    const elapsed = Math.floor(age / NS_PER_SECOND) - state.seconds;
    state.seconds += elapsed;
    if (elapsed <= 0 || !this.#timeRuns) return;
    this.#raise(C.UF);
    if (this.#alarmWithin(elapsed)) this.#raise(C.AF);
    this.#advance(elapsed);
  }

  #raise(flag: number): void {
    this.state.registers[REGISTER.C] |= flag;
  }

  /** Drives IRQ and sets the alarm for the next interrupt. */
  #follow(): void {
    const { state } = this;
    const flags = state.registers[REGISTER.C] & ~C.IRQF;
    const enables = state.registers[REGISTER.B];
    const pending = flags & enables & (C.PF | C.AF | C.UF); // flags and enables share their bit numbers
    state.registers[REGISTER.C] = flags | (pending ? C.IRQF : 0);
    this.#irq.set(pending ? 1 : 0);

    this.#alarm?.cancel();
    this.#alarm = undefined;
    const awaited = enables & ~flags;
    let at = Number.POSITIVE_INFINITY;
    if (awaited & (B.AIE | B.UIE) && this.#timeRuns) at = this.#nextUpdate;
    const length = this.#periodicLength;
    if (awaited & B.PIE && length > 0 && this.#dividerRuns) {
      const period = (Math.floor(state.periods / length) + 1) * length;
      at = Math.min(at, state.dividerZero + timeOfTick(period, CRYSTAL_HZ));
    }
    if (at === Number.POSITIVE_INFINITY) return;
    this.#alarm = this.#clock.setAlarm(at, () => {
      this.#alarm = undefined;
      this.#update();
      this.#follow();
    });
  }

  // Time registers: in BCD or binary, 12 or 24 hours, as register B says now

  #encode(value: number): number {
    return this.state.registers[REGISTER.B] & B.DM ? value : (Math.floor(value / 10) << 4) | (value % 10);
  }

  #decode(raw: number): number {
    return this.state.registers[REGISTER.B] & B.DM ? raw : (raw >>> 4) * 10 + (raw & 15);
  }

  #encodeHours(hours: number): number {
    if (this.state.registers[REGISTER.B] & B.HOURS_24) return this.#encode(hours);
    return this.#encode(hours % 12 || 12) | (hours >= 12 ? HOURS_PM : 0);
  }

  #decodeHours(raw: number): number {
    if (this.state.registers[REGISTER.B] & B.HOURS_24) return this.#decode(raw);
    return (this.#decode(raw & ~HOURS_PM) % 12) + (raw & HOURS_PM ? 12 : 0);
  }

  get #secondOfDay(): number {
    const { registers } = this.state;
    const hours = this.#decodeHours(registers[REGISTER.HOURS]);
    const minutes = this.#decode(registers[REGISTER.MINUTES]);
    return (hours * 60 + minutes) * 60 + this.#decode(registers[REGISTER.SECONDS]);
  }

  #setSecondOfDay(second: number): void {
    const { registers } = this.state;
    registers[REGISTER.SECONDS] = this.#encode(second % 60);
    registers[REGISTER.MINUTES] = this.#encode(Math.floor(second / 60) % 60);
    registers[REGISTER.HOURS] = this.#encodeHours(Math.floor(second / 3600) % 24);
  }

  #setCalendar(epochSeconds: number): void {
    const { registers } = this.state;
    const { year, month, date, dayOfWeek } = calendarAt(epochSeconds);
    registers[REGISTER.DAY_OF_WEEK] = this.#encode(dayOfWeek);
    registers[REGISTER.DATE_OF_MONTH] = this.#encode(date);
    registers[REGISTER.MONTH] = this.#encode(month);
    registers[REGISTER.YEAR] = this.#encode(year % 100);
    registers[REGISTER.CENTURY] = this.#encode(Math.floor(year / 100));
    this.#setSecondOfDay(epochSeconds % SECONDS_PER_DAY);
  }

  /** Counts the time registers on by `seconds`, from whatever the guest has put there. */
  #advance(seconds: number): void {
    const second = this.#secondOfDay + seconds;
    for (let days = Math.floor(second / SECONDS_PER_DAY); days > 0; days--) this.#advanceDay();
    this.#setSecondOfDay(second % SECONDS_PER_DAY);
  }

  #advanceDay(): void {
    const { registers } = this.state;
    /** Counts a register on; past `last` it returns to `first` and the next one is due. */
    const count = (register: number, first: number, last: number): boolean => {
      const value = this.#decode(registers[register]) + 1;
      registers[register] = this.#encode(value > last ? first : value);
      return value > last;
    };
    const month = this.#decode(registers[REGISTER.MONTH]);
    const year = this.#decode(registers[REGISTER.YEAR]);
    count(REGISTER.DAY_OF_WEEK, 1, 7);
    if (!count(REGISTER.DATE_OF_MONTH, 1, lengthOfMonth(year, month))) return;
    if (!count(REGISTER.MONTH, 1, 12)) return;
    if (count(REGISTER.YEAR, 0, 99)) count(REGISTER.CENTURY, 0, 99);
  }

  /** Whether one of the next `seconds` seconds is the alarm time. */
  #alarmWithin(seconds: number): boolean {
    const { registers } = this.state;
    if (registers[REGISTER.C] & C.AF) return false;
    const wanted = (raw: number, decoded: number) => (raw >= DONT_CARE ? undefined : decoded);
    const [secondRaw, minuteRaw, hourRaw] = [REGISTER.SECONDS_ALARM, REGISTER.MINUTES_ALARM, REGISTER.HOURS_ALARM].map(
      (register) => registers[register],
    ) as [number, number, number];
    const second = wanted(secondRaw, this.#decode(secondRaw));
    const minute = wanted(minuteRaw, this.#decode(minuteRaw));
    const hour = wanted(hourRaw, this.#decodeHours(hourRaw));
    const start = this.#secondOfDay;
    for (let step = 1; step <= Math.min(seconds, SECONDS_PER_DAY); step++) {
      const now = (start + step) % SECONDS_PER_DAY;
      if (
        (second ?? now % 60) === now % 60 &&
        (minute ?? Math.floor(now / 60) % 60) === Math.floor(now / 60) % 60 &&
        (hour ?? Math.floor(now / 3600)) === Math.floor(now / 3600)
      ) {
        return true;
      }
    }
    return false;
  }
}

/** `value` as a whole number from 0 to `most`. */
const within = (value: number, most: number): number => Math.trunc(Math.min(Math.max(value, 0), most)) || 0;
