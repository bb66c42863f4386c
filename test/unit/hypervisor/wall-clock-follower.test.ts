/** The policy of clock `host`, on a wall clock of the test's own. */
import { describe, expect, it } from 'vitest';
import { WallClockFollower } from '../../../src/hypervisor/shares/wall-clock-follower.ts';
import { FakeMachine } from '../../support/fake-machine.ts';

const MS = 1_000_000;
const SECOND = 1000 * MS;
const SLICE = 2 * MS;

/** A machine, its follower, and a wall clock. */
class World {
  readonly machine = new FakeMachine();
  readonly follower = new WallClockFollower(SLICE);
  /** By which a correction has moved guest time on. */
  greatestStep = 0;
  wall = 12_345 * MS;
  readonly start = this.wall;
  slices = 0;
  /** Greatest difference between guest time and wall clock at slice ends. */
  worst = 0;
  /** Host time that an instruction takes, in ns. */
  pace = 4;
  /** Between two slices of a busy guest. */
  others = 0;

  constructor() {
    const correct = this.machine.correctTime.bind(this.machine);
    this.machine.correctTime = (correction) => {
      this.greatestStep = Math.max(this.greatestStep, correction.time - this.machine.time);
      correct(correction);
    };
  }

  get difference(): number {
    return this.machine.time - (this.wall - this.start);
  }

  /** A slice of a few instructions in which the host does something else for so long. */
  pause(time: number): void {
    this.slice({ instructions: 100, away: time });
  }

  slice({ instructions = Math.round(SLICE / this.pace), away = 0 } = {}): void {
    const { machine, follower } = this;
    const limits = follower.begin(machine, this.wall);
    const before = machine.instructions;
    machine.run({ instructions: Math.min(limits.instructions, instructions), time: limits.time });
    this.wall += Math.round((machine.instructions - before) * this.pace) + away;
    follower.end(machine, this.wall, machine.instructions - before);
    this.worst = Math.max(this.worst, Math.abs(this.difference));
    if (!machine.halted) this.wall += this.others;
  }

  busyFor(time: number): void {
    for (const end = this.wall + time; this.wall < end; ) this.slice();
  }

  /** Halted, ticking every `period`; each tick takes 4000 instructions; timers are late by up to a millisecond. */
  idleFor(time: number, { period = 4 * MS, late = 0.7 * MS } = {}): number {
    const { machine, follower } = this;
    let ticks = 0;
    machine.halted = true;
    machine.nextAlarm = machine.time + period;
    machine.onAlarm = () => {
      ticks++;
      machine.nextAlarm += Math.ceil((machine.time + 1 - machine.nextAlarm) / period) * period;
    };
    for (const end = this.wall + time; this.wall < end; ) {
      this.slices++;
      const limits = follower.begin(machine, this.wall);
      // A tick, and HLT again, as long as alarms are due.
      let executed = 0;
      while (machine.nextAlarm <= limits.time) {
        executed += machine.run({ instructions: 4000, time: limits.time }).executed;
        this.wall += 4000 * this.pace;
      }
      follower.end(machine, this.wall, executed);
      this.worst = Math.max(this.worst, Math.abs(this.difference));
      const pause = follower.pause(machine, this.wall);
      if (pause > 0) this.wall += pause * MS - (pause % 3) * 0.4 * MS + late;
    }
    machine.halted = false;
    return ticks;
  }
}

describe.each([0.1, 1, 4, 30, 1000])('a busy guest at %f ns an instruction', (pace) => {
  it.each([1, 4, 16])('of %i follows the wall clock within 1 % over 10 s', (guests) => {
    const world = new World();
    world.pace = pace;
    world.others = (guests - 1) * SLICE;
    world.busyFor(SECOND);
    const before = world.machine.time - world.wall;
    world.worst = 0;
    world.busyFor(10 * SECOND);
    expect(Math.abs(world.machine.time - world.wall - before)).toBeLessThan(0.01 * 10 * SECOND);
    expect(world.worst).toBeLessThan(2 * guests * SLICE);
  });
});

describe('a guest on clock host', () => {
  it('follows when its pace changes, and never goes back', () => {
    const world = new World();
    let last = 0;
    world.machine.onTimeCorrection = ({ time }) => {
      expect(time).toBeGreaterThanOrEqual(last);
      last = time;
    };
    for (const pace of [4, 40, 2, 1000, 0.5, 4]) {
      world.pace = pace;
      world.busyFor(SECOND);
      expect(Math.abs(world.difference)).toBeLessThan(10 * MS);
    }
  });

  it('is not led astray by slices in which the host did something else', () => {
    const world = new World();
    world.busyFor(SECOND);
    world.worst = 0;
    for (let turn = 0; turn < 200; turn++) {
      world.busyFor(((turn * 7) % 40) * MS);
      world.pause(((turn * 13) % 60) * MS);
    }
    expect(world.worst).toBeLessThan(80 * MS);
    world.busyFor(0.5 * SECOND);
    expect(Math.abs(world.difference)).toBeLessThan(2 * MS);
  });

  it('is right again soon after it was idle, where each instruction takes long', () => {
    const world = new World();
    world.pace = 30;
    world.idleFor(SECOND);
    world.pace = 4;
    world.worst = 0;
    world.busyFor(SECOND);
    expect(world.worst).toBeLessThan(20 * MS);
    expect(Math.abs(world.difference)).toBeLessThan(2 * MS);
  });

  it('idle, follows within a timer’s grain, waking once a tick at most', () => {
    const world = new World();
    // Node's timers may be early by a part of a millisecond.
    const ticks = world.idleFor(10 * SECOND, { late: -0.1 * MS });
    expect(Math.abs(ticks - 2500)).toBeLessThanOrEqual(1);
    expect(world.slices).toBeLessThanOrEqual(ticks + 1);
    expect(world.worst).toBeLessThanOrEqual(6 * MS);
    expect(Math.abs(world.difference)).toBeLessThan(6 * MS);
  });

  it('halted without an alarm, has slept when input wakes it', () => {
    const world = new World();
    world.slice();
    world.machine.halted = true;
    world.slice();
    expect(world.follower.pause(world.machine, world.wall)).toBe(Number.POSITIVE_INFINITY);
    world.wall += 3600 * SECOND;
    world.machine.halted = false;
    world.machine.halted = true;
    world.follower.begin(world.machine, world.wall);
    expect(Math.abs(world.difference)).toBeLessThanOrEqual(1);
  });

  it('stands still while it is paused', () => {
    const world = new World();
    world.busyFor(SECOND);
    const { time } = world.machine;
    world.follower.forget();
    world.wall += 60 * SECOND;
    world.slice();
    expect(world.machine.time - time).toBeLessThan(20 * MS);
  });

  it('makes up for a second at twice the rate, without a step', () => {
    for (const busy of [true, false]) {
      const world = new World();
      const goOn = (time: number): number => (busy ? world.busyFor(time) : world.idleFor(time)) ?? 0;
      goOn(SECOND);
      world.wall += SECOND;
      const ticks = goOn(0.5 * SECOND);
      expect(Math.abs(world.difference + 0.5 * SECOND)).toBeLessThan(40 * MS);
      if (!busy) expect(ticks).toBeLessThan(2 * 0.5 * 250 + 3);
      goOn(0.6 * SECOND);
      expect(Math.abs(world.difference)).toBeLessThan(10 * MS);
      expect(world.greatestStep).toBeLessThan(5 * MS);
    }
  });

  it('catches up with an hour that the host slept, without a storm of ticks', () => {
    const world = new World();
    world.idleFor(SECOND);
    world.wall += 3600 * SECOND;
    const ticks = world.idleFor(60 * SECOND);
    expect(Math.abs(world.difference)).toBeLessThan(6 * MS);
    // 3590 steps, each with a tick that is late, and a minute at most at twice the rate. Every tick would be 915,000.
    expect(ticks).toBeLessThan(3590 + 2 * 60 * 250);
    expect(world.greatestStep).toBeLessThan(1.01 * SECOND);
  });

  it('busy, catches up in steps, too', () => {
    const world = new World();
    world.busyFor(SECOND);
    world.wall += 100 * SECOND;
    world.busyFor(0.5 * SECOND);
    expect(-world.difference).toBeGreaterThan(40 * SECOND);
    world.busyFor(12 * SECOND);
    expect(Math.abs(world.difference)).toBeLessThan(10 * MS);
  });
});

describe('stolen time', () => {
  const told = (wants: (call: number) => boolean) => {
    const { machine, follower } = new World();
    const all: number[] = [];
    machine.correctTime = ({ stolen = 0 }) => void all.push(stolen);
    for (const [call, stolen] of [5 * MS, 5.5 * MS, 6.25 * MS, 6.25 * MS, 90 * MS].entries()) {
      machine.tellsStolen = wants(call);
      follower.begin(machine, 0, stolen);
    }
    return all.filter((stolen) => stolen > 0);
  };

  it('is told in whole ns, once it is a millisecond', () => {
    expect(told(() => true)).toEqual([5 * MS, 1.25 * MS, 83.75 * MS]);
  });

  it('is told to who wants to know, and not what was before', () => {
    expect(told(() => false)).toEqual([]);
    expect(told((call) => call > 2)).toEqual([83.75 * MS + 0.75 * MS - 0.75 * MS]);
  });
});

it('a guest that was paused, and goes on, within a slice is not left asleep', () => {
  const { machine, follower } = new World();
  machine.halted = true;
  machine.nextAlarm = 5 * MS;
  follower.begin(machine, 0);
  follower.forget();
  follower.end(machine, MS, 10);
  expect(follower.pause(machine, MS)).toBe(0);
});
