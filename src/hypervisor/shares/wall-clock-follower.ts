/**
 * Clock `host`: makes a guest's time follow the wall clock, by corrections of its slope at slice ends. What it decides
 * reaches the machine as data (`Machine.correctTime`); nothing else of the wall clock does.
 *
 * A guest that executes is never held: the slope is what an instruction takes of the wall clock, the turns of other
 * guests included, up to twice of it where guest time is behind, and down to an eighth where it is ahead. One that is
 * halted waits for the wall clock.
 *
 * Where the host was away (busy with something else, stopped, asleep, or held by a reader of the guest's output), the time
 * missed is made up for at the rate of the wall clock: guest time, and with it ticks, go twice as fast. So much for ten
 * seconds; what is beyond them is made up for by steps forward of a second at most, one in ten milliseconds at most:
 * alarms within a step are late and fire once. So hours are caught up in minutes without a storm of ticks. Steps are left
 * to what a person did, because a kernel that compares two chips just then gets a wrong idea of their rates.
 */
import { slopeOf } from '../../base/guest-time.ts';
import type { Machine } from '../../machine/machine.ts';

const MS = 1_000_000;
/** Who gets a slice so much later than it should, in ns, was not kept waiting by other guests. */
const AWAY = 250 * MS;
/** Steps are made while more than `BEYOND` was missed. */
const STEP = { BEYOND: 10_000 * MS, MOST: 1000 * MS, EVERY: 10 * MS } as const;
/** Timers count whole ms: a halted guest may be woken, and run ahead, by one of them, in ns. */
const EARLY = MS;
/** A lag of this much guest time, in ns, and of so many turns of all guests, doubles the slope. */
const REACTION = { TIME: 20 * MS, TURNS: 4 } as const;
const FACTOR = { LEAST: 0.125, MOST: 2 } as const;
/** What instructions take is learnt from so much time, in ns, and no less than the last slice. */
const MEMORY = 20 * MS;
/** Instructions that a slice may have though the guest is too far ahead of the wall clock: then at the least slope. */
const SHORTEST = 20_000;

/** What a slice may do: see `RunLimits`. */
export interface SliceLimits {
  readonly instructions: number;
  readonly time: number;
}

/** The guest is told of stolen time once it is so much, in ns. */
const WORTH_TELLING = MS;

type FollowedMachine = Pick<Machine, 'time' | 'timeSlope' | 'nextAlarm' | 'halted' | 'correctTime' | 'tellsStolen'>;

export class WallClockFollower {
  /** How far a guest may get ahead within a slice, in ns. */
  readonly #lead: number;
  /** Wall-clock time at which guest time is to be 0; undefined until it runs again. */
  #origin: number | undefined;
  /** Guest time still to be made up for, as of when it was last looked at. */
  #missed = 0;
  #lookedAt = 0;
  #steppedAt = Number.NEGATIVE_INFINITY;
  /** Of late: so many instructions took so much of the wall clock. Sums, since single slices may be far off. */
  #executed = 0;
  #took = 0;
  #sliceStart = 0;
  #stolenTold = 0;
  /** When it was ready for the present slice, or will be for the next; undefined for the first. */
  #ready: number | undefined;
  /** From slice end to slice end, when it was last busy. */
  #turn = 0;

  /** `slice`: length of a slice that is aimed at, in ns. All times are in ns. */
  constructor(slice: number) {
    this.#lead = 2 * slice;
  }

  /** The guest is paused: its time stands still until the next slice. */
  forget(): void {
    this.#origin = undefined;
    this.#ready = undefined;
    this.#missed = 0;
  }

  /** A slice begins. `stolen`: time so far that others ran while it was ready, or that it was held back. */
  begin(machine: FollowedMachine, wall: number, stolen = 0): SliceLimits {
    this.#origin ??= wall - machine.time;
    this.#ready ??= wall;
    this.#sliceStart = wall;
    if (wall - this.#ready > AWAY) {
      this.#miss(wall - this.#ready, wall);
      this.#ready = wall;
    } else this.#makeUp(wall);
    this.#moveOn(machine, wall);
    this.#tellStolen(machine, stolen);
    const aim = this.#aim(wall);
    const room = aim - machine.time + Math.min(this.#turn, AWAY) + this.#lead;
    return {
      instructions: Math.max(SHORTEST, Math.ceil(room / (machine.timeSlope / slopeOf(1)))),
      time: Math.floor(aim + EARLY),
    };
  }

  /** The slice has ended, after so many instructions. */
  end(machine: FollowedMachine, wall: number, executed: number): void {
    if (this.#origin === undefined) return;
    const busy = !machine.halted;
    if (wall - this.#sliceStart > AWAY) this.#miss(wall - this.#sliceStart, wall);
    else this.#makeUp(wall);
    if (wall - this.#sliceStart <= AWAY && executed > 0)
      this.#learn(wall - Math.min(this.#ready!, this.#sliceStart), executed);
    if (busy) this.#turn = Math.min(wall - this.#ready!, AWAY);
    const lag = this.#aim(wall) - machine.time;
    const reaction = REACTION.TIME + REACTION.TURNS * this.#turn;
    const factor = Math.min(Math.max(1 + lag / reaction, FACTOR.LEAST), FACTOR.MOST);
    const slope = this.#executed === 0 ? machine.timeSlope : slopeOf((this.#took / this.#executed) * factor);
    if (slope !== machine.timeSlope) machine.correctTime({ time: machine.time, slope });
    this.#ready = busy ? wall : wall + Math.max(0, machine.nextAlarm - this.#aim(wall));
  }

  /** How long a halted guest may sleep, in whole ms: 0 if an alarm is due, Infinity if none is set. */
  pause(machine: FollowedMachine, wall: number): number {
    // It was paused, and goes on, since its slice began.
    if (this.#origin === undefined) return 0;
    const wait = machine.nextAlarm - this.#aim(wall);
    if (wait <= EARLY) return 0;
    return Math.ceil((this.#missed > 0 ? Math.min(wait / 2, STEP.EVERY) : wait) / MS);
  }

  #aim(wall: number): number {
    return wall - this.#origin! - this.#missed;
  }

  #miss(time: number, wall: number): void {
    this.#missed += time;
    this.#lookedAt = wall;
  }

  /** As much as has passed of the wall clock: guest time is to go twice as fast. */
  #makeUp(wall: number): void {
    this.#missed = Math.max(0, this.#missed - (wall - this.#lookedAt));
    this.#lookedAt = wall;
  }

  #learn(took: number, executed: number): void {
    const keep = Math.min(1, MEMORY / (this.#took + took));
    this.#took = this.#took * keep + took;
    this.#executed = this.#executed * keep + executed;
  }

  #tellStolen(machine: FollowedMachine, total: number): void {
    // What was before it asked is no matter to it.
    if (!machine.tellsStolen) this.#stolenTold = total;
    const stolen = Math.floor(total - this.#stolenTold);
    if (stolen < WORTH_TELLING) return;
    this.#stolenTold += stolen;
    machine.correctTime({ time: machine.time, slope: machine.timeSlope, stolen });
  }

  /** What has passed without instructions: the time that a halted guest has slept, and a step. */
  #moveOn(machine: FollowedMachine, wall: number): void {
    const { time, halted, nextAlarm, timeSlope: slope } = machine;
    const aim = Math.floor(this.#aim(wall));
    // Up to an alarm the machine moves on by itself.
    let to = halted && aim < nextAlarm ? Math.max(time, aim) : time;
    if (this.#missed > STEP.BEYOND && wall - this.#steppedAt >= STEP.EVERY) {
      const step = Math.min(this.#missed - STEP.BEYOND, STEP.MOST);
      this.#missed -= step;
      this.#steppedAt = wall;
      to = Math.floor(to + step);
    }
    if (to > time) machine.correctTime({ time: to, slope });
  }
}
