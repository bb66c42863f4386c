/**
 * System control port B, port 61h. 82371SB (PIIX3), order number 290550, "NMI Status and Control Register".
 *
 * Not modelled: the sources of SERR# and IOCHK# (no device here raises them, so their status bits stay zero),
 * and the sound itself: `speaker` says what the loudspeaker's line is.
 */
import { bit } from '../base/bits.ts';
import type { VirtualClock } from '../base/virtual-clock.ts';
import type { Device } from '../bus/device.ts';
import type { PortDevice } from '../bus/port-bus.ts';
import { ticksAt } from './crystal.ts';
import { PIT_HZ } from './pit8254.ts';

/** What the port needs of the interval timer. */
export interface SpeakerTimer {
  setGate(index: 2, level: 0 | 1): void;
  out(index: 2): 0 | 1;
}

const CONTROL = { TIMER_GATE: 0, SPEAKER_DATA: 1 } as const;
const WRITABLE = 0x0f;
const STATUS = { REFRESH: 4, OUT2: 5 } as const;
/** Counter 1 of a PC's timer requests a memory refresh every 18 CLK pulses (15 µs); each toggles the refresh bit. */
const REFRESH_PULSES = 18;

export class Port61 implements PortDevice, Device {
  readonly name = 'port61';
  readonly stateVersion = 1;
  readonly state = { control: 0 };
  readonly #clock: VirtualClock;
  readonly #timer: SpeakerTimer;

  constructor(wiring: { clock: VirtualClock; timer: SpeakerTimer }) {
    this.#clock = wiring.clock;
    this.#timer = wiring.timer;
    this.#timer.setGate(2, 0);
  }

  /** The level of the loudspeaker: OUT2 gated by the speaker data bit. */
  get speaker(): 0 | 1 {
    return bit(this.state.control, CONTROL.SPEAKER_DATA) && this.#timer.out(2);
  }

  readPort(): number {
    const refresh = Math.floor(ticksAt(this.#clock.now, PIT_HZ) / REFRESH_PULSES) & 1;
    return this.state.control | (refresh << STATUS.REFRESH) | (this.#timer.out(2) << STATUS.OUT2);
  }

  writePort(_offset: number, value: number): void {
    this.state.control = value & WRITABLE;
    this.#timer.setGate(2, bit(value, CONTROL.TIMER_GATE));
  }

  reset(): void {
    this.state.control = 0;
  }

  resume(): void {
    this.#timer.setGate(2, bit(this.state.control, CONTROL.TIMER_GATE));
  }
}
