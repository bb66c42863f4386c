/**
 * Programmable Interval Timer. Intel 82C54 datasheet, order number 231244.
 *
 * Nothing ticks: a counter remembers at which CLK pulse it was loaded with what, and count, OUT and status follow
 * from the guest time of the access. CLK pulses are counted from power-on in exact integers.
 *
 * Not modelled: counts of 1 in modes 2 and 3, which the datasheet calls illegal (OUT stays high).
 */
import { type BitField, extract } from '../base/bits.ts';
import type { Alarm, VirtualClock } from '../base/virtual-clock.ts';
import type { Device } from '../bus/device.ts';
import type { IrqLine } from '../bus/irq-line.ts';
import type { PortDevice } from '../bus/port-bus.ts';
import { ticksAt, timeOfTick } from './crystal.ts';

/** CLK of all three counters in a PC, in Hz: 14.31818 MHz / 12. */
export const PIT_HZ = 1_193_182;

/** Control Word Format: names and bit numbers as in the datasheet. */
const CONTROL = { BCD: [0, 0], M: [1, 3], RW: [4, 5], SC: [6, 7] } as const satisfies Record<string, BitField>;
const RW = { LATCH: 0, LSB: 1, MSB: 2, WORD: 3 } as const;
const SC_READ_BACK = 3;
/** Read-back command: active-low latch requests. */
const READ_BACK = { NOT_STATUS: 0x10, NOT_COUNT: 0x20 } as const;
const CONTROL_WORD = 3;

type CounterIndex = 0 | 1 | 2;
type Mode = 0 | 1 | 2 | 3 | 4 | 5;

/** What the counting element has been doing since it was last loaded. */
interface Run {
  /** The CLK pulse that loaded it. */
  start: number;
  /** Count it was loaded with, 1..65536. */
  count: number;
  /** Mode 3: this run begins with the low half of the square wave. */
  startsLow: boolean;
  /** Mode 4: the strobe is over. */
  spent: boolean;
}

interface Counter {
  /** Control word as written, without SC: status bits 5–0. */
  control: number;
  gate: 0 | 1;
  /** CR as a count 1..65536; null from the control word to the first count. */
  countRegister: number | null;
  /** CR holds a count that CE has not taken yet. */
  nullCount: boolean;
  /** The CLK pulse at which CE takes CR; null: not before a trigger. */
  loadAt: number | null;
  run: Run | null;
  /** The CLK pulse at which counting was stopped; null while it goes on. */
  heldAt: number | null;
  /** First byte of a two-byte count, until the second arrives. */
  firstByte: number | null;
  /** The next read of a two-byte count gives the most significant byte. */
  readsMsb: boolean;
  latchedCount: number | null;
  latchedStatus: number | null;
}

const powerOnCounter = (): Counter => ({
  control: RW.WORD << 4,
  gate: 1,
  countRegister: null,
  nullCount: true,
  loadAt: null,
  run: null,
  heldAt: null,
  firstByte: null,
  readsMsb: false,
  latchedCount: null,
  latchedStatus: null,
});

const modeOf = ({ control }: Counter): Mode => {
  const mode = extract(control, CONTROL.M);
  return (mode > 5 ? mode - 4 : mode) as Mode; // M2 is ignored in modes 2 and 3
};
const rwOf = ({ control }: Counter): number => extract(control, CONTROL.RW);
const isBcd = ({ control }: Counter): boolean => extract(control, CONTROL.BCD) === 1;

/** Four BCD digits to their value; digits above 9 count for what they are. */
const fromBcd = (digits: number): number =>
  (digits & 15) + ((digits >> 4) & 15) * 10 + ((digits >> 8) & 15) * 100 + ((digits >> 12) & 15) * 1000;
const toBcd = (value: number): number =>
  (value % 10) |
  ((Math.floor(value / 10) % 10) << 4) |
  ((Math.floor(value / 100) % 10) << 8) |
  ((Math.floor(value / 1000) % 10) << 12);

/** CLK pulses that CE has counted by `tick`. */
function elapsed(counter: Counter, run: Run, tick: number): number {
  return (counter.heldAt ?? tick) - run.start;
}

/** Mode 3: CLK pulses from one reload of CE to the next, for the half that is high or low. [82C54] "Mode 3". */
const halfLength = (count: number, low: boolean): number => (low ? count >>> 1 : (count + 1) >>> 1);

/** Mode 3: where in the square wave a run stands: in which half and since when. */
function squareWave(run: Run, age: number): { low: boolean; since: number } {
  const first = halfLength(run.count, run.startsLow);
  const phase = age % run.count;
  return phase < first ? { low: run.startsLow, since: phase } : { low: !run.startsLow, since: phase - first };
}

/** CE at `tick` as the data bus shows it, 16 bits. */
function countAt(counter: Counter, tick: number): number {
  const { run } = counter;
  if (!run) return 0;
  const modulus = isBcd(counter) ? 10_000 : 65_536;
  const age = elapsed(counter, run, tick);
  let value: number;
  switch (modeOf(counter)) {
    case 2:
      value = run.count - (age % run.count);
      break;
    case 3: // an odd count is loaded less one, and CE counts down by two
      value = (run.count & ~1) - 2 * squareWave(run, age).since;
      break;
    default: // past the terminal count CE wraps around and goes on
      value = run.count - (age % modulus);
      if (value < 0) value += modulus;
  }
  value %= modulus;
  return isBcd(counter) ? toBcd(value) : value;
}

/**
 * What a read without a latch finds. The first count is there already: accesses to an ISA bus take about 1 µs each,
 * longer than a CLK pulse, and Linux's quick calibration of the TSC waits for it by reading once.
 */
function unlatchedCount(counter: Counter, tick: number): number {
  const { run, loadAt, countRegister } = counter;
  if (run !== null || loadAt !== tick + 1 || countRegister === null) return countAt(counter, tick);
  return countAt({ ...counter, run: { start: tick, count: countRegister, startsLow: false, spent: false } }, tick);
}

/** OUT at `tick`, provided that no load lies between. */
function outAt(counter: Counter, tick: number): 0 | 1 {
  const { run, heldAt } = counter;
  const mode = modeOf(counter);
  if (mode === 0) {
    const counting = run !== null && counter.loadAt === null && counter.firstByte === null;
    return counting && elapsed(counter, run, tick) >= run.count ? 1 : 0;
  }
  if (!run) return 1;
  const age = elapsed(counter, run, tick);
  switch (mode) {
    case 1:
      return age < run.count ? 0 : 1;
    case 2:
      return heldAt === null && run.count > 1 && age % run.count === run.count - 1 ? 0 : 1;
    case 3:
      return heldAt === null && run.count > 1 && squareWave(run, age).low ? 0 : 1;
    default: // 4 and 5: one CLK pulse long, also when GATE falls meanwhile
      return age === run.count && tick === run.start + run.count && !run.spent ? 0 : 1;
  }
}

/** The first CLK pulse after `tick` at which OUT may change or CE takes a new count; null: not without the guest. */
function nextEvent(counter: Counter, tick: number): number | null {
  const change = nextChange(counter, tick);
  if (counter.loadAt === null || change === null) return change ?? counter.loadAt;
  return Math.min(change, counter.loadAt);
}

function nextChange(counter: Counter, tick: number): number | null {
  const { run, heldAt } = counter;
  if (!run) return null;
  const end = run.start + run.count;
  const mode = modeOf(counter);
  if (mode === 4 || mode === 5) {
    // The strobe ends by itself; it begins only while counting goes on.
    if (tick === end && !run.spent && (heldAt ?? tick) >= end) return end + 1;
    return heldAt === null && tick < end ? end : null;
  }
  if (heldAt !== null) return null;
  if (mode === 0 || mode === 1) return tick < end ? end : null;
  if (run.count === 1) return null;
  if (mode === 2) {
    const phase = (tick - run.start) % run.count;
    return tick + (phase < run.count - 1 ? run.count - 1 - phase : 1);
  }
  return halfEnd(run, tick);
}

/** Mode 3: the CLK pulse after `tick` that ends the half of the square wave. */
function halfEnd(run: Run, tick: number): number {
  const { low, since } = squareWave(run, tick - run.start);
  return tick + halfLength(run.count, low) - since;
}

/** In modes 1 and 5 GATE only triggers; in the others its low level stops the count. */
const gateStops = (counter: Counter): boolean => modeOf(counter) !== 1 && modeOf(counter) !== 5;
/** Whether CE stands still: stopped by GATE or, in mode 0, by the first byte of a count that waits for the second. */
const isStopped = (counter: Counter): boolean =>
  (gateStops(counter) && counter.gate === 0) || (modeOf(counter) === 0 && counter.firstByte !== null);
const isPeriodic = (counter: Counter): boolean => modeOf(counter) === 2 || modeOf(counter) === 3;

/** Lets CE take CR if the CLK pulse for it has come by `tick`. */
function settle(counter: Counter, tick: number): void {
  const { loadAt, countRegister, run, heldAt } = counter;
  if (loadAt === null || countRegister === null || tick < loadAt) return;
  // A count written during a square wave begins with the half that is due then; a trigger begins with the high one.
  const startsLow = modeOf(counter) === 3 && run !== null && heldAt === null && squareWave(run, loadAt - run.start).low;
  counter.run = { start: loadAt, count: countRegister, startsLow, spent: false };
  counter.loadAt = null;
  counter.nullCount = false;
  counter.heldAt = isStopped(counter) ? Math.max(heldAt ?? loadAt, loadAt) : null;
}

/** A complete count arrives at CLK pulse `tick`. [82C54] "Write Operations" and the mode definitions. */
function writeCountRegister(counter: Counter, value: number, tick: number): void {
  const bcd = isBcd(counter);
  const count = bcd ? fromBcd(value) : value;
  counter.countRegister = count === 0 ? (bcd ? 10_000 : 65_536) : count;
  counter.nullCount = true;
  const { run } = counter;
  if (!gateStops(counter)) return; // CE takes it at the next trigger
  if (!isPeriodic(counter) || !run) counter.loadAt = tick + 1;
  else if (counter.heldAt !== null) counter.loadAt = counter.gate === 1 ? tick + 1 : null;
  else if (modeOf(counter) === 3) counter.loadAt = halfEnd(run, tick);
  else counter.loadAt = tick + run.count - ((tick - run.start) % run.count);
}

/** GATE changes at CLK pulse `tick`. [82C54] "Gate Pin Operations Summary". */
function changeGate(counter: Counter, gate: 0 | 1, tick: number): void {
  if (counter.gate === gate) return;
  counter.gate = gate;
  const { run } = counter;
  if (gate === 0) {
    if (!gateStops(counter)) return;
    // The count is not taken at the end of a cycle that does not end; a trigger that has come stays.
    if (isPeriodic(counter) && run && counter.heldAt === null) counter.loadAt = null;
    counter.heldAt ??= tick;
  } else if (!gateStops(counter) || isPeriodic(counter)) {
    if (counter.countRegister === null) counter.heldAt = null;
    else counter.loadAt = tick + 1;
  } else if (!isStopped(counter)) {
    if (run && counter.heldAt !== null) {
      if (counter.heldAt >= run.start + run.count) run.spent = true;
      run.start += tick - counter.heldAt;
    }
    counter.heldAt = null;
  }
}

export class Pit8254 implements PortDevice, Device {
  readonly name = 'pit';
  readonly stateVersion = 1;
  readonly state = {
    counters: [powerOnCounter(), powerOnCounter(), powerOnCounter()],
    /** The CLK pulse up to which OUT0 has been followed. */
    followed: 0,
  };
  readonly #clock: VirtualClock;
  readonly #out0: IrqLine;
  #alarm: Alarm | undefined;

  constructor(wiring: { clock: VirtualClock; out0: IrqLine }) {
    this.#clock = wiring.clock;
    this.#out0 = wiring.out0;
    this.state.followed = this.#tick;
  }

  /** The level of an OUT pin now. */
  out(index: CounterIndex): 0 | 1 {
    return outAt(this.#settled(index), this.#tick);
  }

  /** Drives a GATE pin (a PC ties those of counters 0 and 1 to one). */
  setGate(index: CounterIndex, level: 0 | 1): void {
    if (this.state.counters[index].gate === level) return;
    changeGate(this.#settled(index), level, this.#tick);
    this.#followOut0();
  }

  readPort(offset: number): number {
    if (offset === CONTROL_WORD) return 0xff; // the data bus floats
    const counter = this.#settled(offset as CounterIndex);
    if (counter.latchedStatus !== null) {
      const status = counter.latchedStatus;
      counter.latchedStatus = null;
      return status;
    }
    const count = counter.latchedCount ?? unlatchedCount(counter, this.#tick);
    const rw = rwOf(counter);
    const isMsb = rw === RW.MSB || (rw === RW.WORD && counter.readsMsb);
    if (rw === RW.WORD) counter.readsMsb = !counter.readsMsb;
    if (rw !== RW.WORD || isMsb) counter.latchedCount = null;
    return isMsb ? count >>> 8 : count & 0xff;
  }

  writePort(offset: number, value: number): void {
    if (offset === CONTROL_WORD) {
      if (extract(value, CONTROL.SC) === SC_READ_BACK) this.#readBack(value);
      else this.#writeControl(value);
    } else this.#writeCount(this.#settled(offset as CounterIndex), value);
    this.#followOut0();
  }

  /** The chip has no reset pin: this is power-on. The levels at the GATE pins stay what they are. */
  reset(): void {
    const heldAt = (gate: 0 | 1) => (gate === 0 ? this.#tick : null);
    this.state.counters = this.state.counters.map(({ gate }) => ({ ...powerOnCounter(), gate, heldAt: heldAt(gate) }));
    this.state.followed = this.#tick;
  }

  resume(): void {
    this.#out0.set(outAt(this.state.counters[0], this.state.followed));
    this.#setAlarm();
  }

  get #tick(): number {
    return ticksAt(this.#clock.now, PIT_HZ);
  }

  /** A counter brought up to now. */
  #settled(index: CounterIndex): Counter {
    const counter = this.state.counters[index];
    if (index === 0) this.#followOut0();
    else settle(counter, this.#tick);
    return counter;
  }

  #writeControl(value: number): void {
    const counter = this.#settled(extract(value, CONTROL.SC) as CounterIndex);
    if (extract(value, CONTROL.RW) === RW.LATCH) {
      counter.latchedCount ??= countAt(counter, this.#tick);
      return;
    }
    const { gate } = counter;
    Object.assign(counter, powerOnCounter(), { gate, control: value & 0x3f });
    if (gate === 0 && gateStops(counter)) counter.heldAt = this.#tick;
  }

  /** [82C54] "Read-Back Command". */
  #readBack(value: number): void {
    for (const index of [0, 1, 2] as const) {
      if (!(value & (2 << index))) continue;
      const counter = this.#settled(index);
      if (!(value & READ_BACK.NOT_COUNT)) counter.latchedCount ??= countAt(counter, this.#tick);
      if (!(value & READ_BACK.NOT_STATUS)) counter.latchedStatus ??= this.#status(counter);
    }
  }

  /** Status byte: OUT, NULL COUNT, and the control word as written. */
  #status(counter: Counter): number {
    return (outAt(counter, this.#tick) << 7) | (counter.nullCount ? 0x40 : 0) | counter.control;
  }

  #writeCount(counter: Counter, value: number): void {
    const rw = rwOf(counter);
    if (rw !== RW.WORD) {
      writeCountRegister(counter, rw === RW.LSB ? value : value << 8, this.#tick);
    } else if (counter.firstByte === null) {
      counter.firstByte = value;
      // [82C54] "Mode 0": writing the first byte disables counting and sets OUT low at once.
      if (modeOf(counter) === 0) counter.heldAt ??= this.#tick;
    } else {
      const count = counter.firstByte | (value << 8);
      counter.firstByte = null;
      writeCountRegister(counter, count, this.#tick);
    }
  }

  /**
   * Drives OUT0 through its changes since the last time. When the host was away for long only the first few are
   * driven one by one: nobody could have seen the others, and a guest must not make the host catch up for hours.
   */
  #followOut0(): void {
    const counter = this.state.counters[0];
    const now = this.#tick;
    for (let step = 0; step < 4; step++) {
      const event = nextEvent(counter, this.state.followed);
      if (event === null || event > now) break;
      this.#moveTo(event);
    }
    this.#moveTo(now);
    this.#setAlarm();
  }

  #moveTo(tick: number): void {
    const counter = this.state.counters[0];
    this.state.followed = tick;
    settle(counter, tick);
    this.#out0.set(outAt(counter, tick));
  }

  #setAlarm(): void {
    const event = nextEvent(this.state.counters[0], this.state.followed);
    const at = event === null ? undefined : timeOfTick(event, PIT_HZ);
    if (this.#alarm && this.#alarm.at === at) return;
    this.#alarm?.cancel();
    this.#alarm = undefined;
    if (at === undefined) return;
    this.#alarm = this.#clock.setAlarm(at, () => {
      this.#alarm = undefined;
      this.#followOut0();
    });
  }
}
