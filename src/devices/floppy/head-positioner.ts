/**
 * Seeks of the floppy controller: each drive can have one under way. 82077AA datasheet, order number 290166,
 * "Control Commands" and "Relative Seek".
 */
import type { Alarm, VirtualClock } from '../../base/virtual-clock.ts';
import { COMMAND_TIME, CONFIGURE, type ControllerState, DRIVE_LINES, DSR, type Seek } from './controller-state.ts';
import type { FloppyDrive } from './floppy-drive.ts';
import { BITS_PER_SECOND } from './floppy-format.ts';
import { ST0 } from './status-bits.ts';

/** Step pulses that RECALIBRATE sends at the most. */
const RECALIBRATE_PULSES = 79;

export class HeadPositioner {
  readonly #clock: VirtualClock;
  readonly #state: ControllerState;
  readonly #drives: readonly FloppyDrive[];
  readonly #arrived: () => void;
  readonly #arrivals: (Alarm | undefined)[] = [];

  /** `arrived`: a seek has ended; its status waits to be sensed. */
  constructor(wiring: {
    readonly clock: VirtualClock;
    readonly state: ControllerState;
    readonly drives: readonly FloppyDrive[];
    readonly arrived: () => void;
  }) {
    this.#clock = wiring.clock;
    this.#state = wiring.state;
    this.#drives = wiring.drives;
    this.#arrived = wiring.arrived;
  }

  /** The controller's state has been replaced: alarms follow it. */
  resume(): void {
    for (let drive = 0; drive < DRIVE_LINES; drive++) this.#awaitArrival(drive);
  }

  /** DRV BUSY bits: drives that seek. */
  get busy(): number {
    return this.#state.seeks.reduce((bits, seek, drive) => bits | (seek === null ? 0 : 1 << drive), 0);
  }

  /** The drive whose status is sensed next, if one has something to tell. */
  sense(): number | undefined {
    const drive = this.#state.unsensed.findIndex((status) => status !== 0);
    return drive < 0 ? undefined : drive;
  }

  /** A seek has ended and not been sensed yet. */
  get hasArrival(): boolean {
    return this.#state.unsensed.some((status) => status !== 0 && (status & ST0.POLLING) !== ST0.POLLING);
  }

  /** Towards track 0, which a drive that is not there never reports. */
  recalibrate(drive: number): void {
    const distance = this.#distance(drive);
    const status = distance > RECALIBRATE_PULSES ? ST0.ABNORMAL | ST0.EQUIPMENT_CHECK : 0;
    this.#begin(drive, { pulses: -Math.min(distance, RECALIBRATE_PULSES), presentCylinder: 0, status });
  }

  seek(drive: number, cylinder: number): void {
    const pulses = cylinder - this.#state.presentCylinders[drive];
    this.#begin(drive, { pulses, presentCylinder: cylinder, status: 0 });
  }

  /** Outwards if negative; it ends at track 0, where that is reported. */
  seekRelative(drive: number, pulses: number): void {
    const room = this.#distance(drive);
    const status = -pulses > room ? ST0.ABNORMAL | ST0.EQUIPMENT_CHECK : 0;
    const steps = Math.max(pulses, -room);
    const presentCylinder = (this.#state.presentCylinders[drive] + steps) & 0xff;
    this.#begin(drive, { pulses: steps, presentCylinder, status });
  }

  /** Moves the head at once, if implied seeks are enabled: the time that takes, in ns; undefined: they are not. */
  implySeek(drive: number, cylinder: number): number | undefined {
    const state = this.#state;
    if (!(state.configure & CONFIGURE.IMPLIED_SEEK)) return undefined;
    const pulses = cylinder - state.presentCylinders[drive];
    this.#drives[drive]?.step(pulses);
    state.presentCylinders[drive] = cylinder;
    return this.#stepTime(pulses);
  }

  /** Step pulses to track 0. */
  #distance(drive: number): number {
    return this.#drives[drive] === undefined ? Number.POSITIVE_INFINITY : this.#state.drives[drive].cylinder;
  }

  #begin(drive: number, seek: Omit<Seek, 'at'>): void {
    const state = this.#state;
    state.unsensed[drive] = 0;
    const at = this.#clock.now + COMMAND_TIME + this.#stepTime(seek.pulses);
    state.seeks[drive] = { ...seek, at, status: seek.status | ST0.SEEK_END | drive };
    this.#awaitArrival(drive);
  }

  /** Time of step pulses in ns: SRT counts down from 16 ms at 500 kbit/s. */
  #stepTime(pulses: number): number {
    const { specify, dsr } = this.#state;
    const milliseconds = ((16 - (specify[0] >>> 4)) * 500_000) / BITS_PER_SECOND[dsr & DSR.RATE];
    return Math.round(Math.abs(pulses) * milliseconds * 1e6);
  }

  #awaitArrival(drive: number): void {
    this.#arrivals[drive]?.cancel();
    const seek = this.#state.seeks[drive];
    this.#arrivals[drive] = seek === null ? undefined : this.#clock.setAlarm(seek.at, () => this.#arrive(drive, seek));
  }

  #arrive(drive: number, { pulses, presentCylinder, status }: Seek): void {
    const state = this.#state;
    this.#drives[drive]?.step(pulses);
    state.seeks[drive] = null;
    state.presentCylinders[drive] = presentCylinder;
    state.unsensed[drive] = status;
    this.#arrived();
  }
}
