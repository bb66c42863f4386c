/** Corrections of guest time are data: fed back at the same counts they give the same states, on all engines. */
import { afterAll, describe, expect, it } from 'vitest';
import { slopeOf, type TimeCorrection } from '../../../src/base/guest-time.ts';
import { assembleDemo } from '../../../src/cli/demo.ts';
import { WallClockFollower } from '../../../src/hypervisor/shares/wall-clock-follower.ts';
import { type EngineName, Pc } from '../../../src/machine/pc.ts';
import { replayTime } from '../../../src/machine/replay-time.ts';
import { sharedCode } from '../../support/shared-code.ts';

const BOOT_SECTOR = 0x7c00;
const MS = 1_000_000;
/** Where states are compared: while the demo boots, busy, and at its prompt, idle, with a hundred ticks a second. */
const STOPS = [1_000, 9_000, 20_000, 30_001, 45_000];
const image = assembleDemo();
const machines: Pc[] = [];

afterAll(() => {
  for (const machine of machines) machine.dispose();
});

function createDemo(engine: EngineName): Pc {
  const pc = new Pc({
    code: sharedCode(),
    name: 'demo',
    memoryBytes: 2 ** 20,
    cpu: 'i686',
    engine,
    boot: { pieces: [{ address: BOOT_SECTOR, bytes: image }], entry: { mode: 'real', ip: BOOT_SECTOR } },
    powerOnTime: 0,
  });
  machines.push(pc);
  return pc;
}

/** Follows a wall clock that goes on by a fixed pattern: another pace each slice, and away for seconds twice. */
function record(engine: EngineName): { corrections: TimeCorrection[]; hashes: string[] } {
  const pc = createDemo(engine);
  const follower = new WallClockFollower(2 * MS);
  const corrections: TimeCorrection[] = [];
  pc.onTimeCorrection = (correction) => corrections.push(correction);
  let wall = 0;
  let seed = 1;
  let slices = 0;
  const hashes: string[] = [];
  while (hashes.length < STOPS.length) {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    const stop = STOPS[hashes.length];
    const limits = follower.begin(pc, wall);
    const { executed } = pc.run({
      instructions: Math.min(limits.instructions, stop - pc.instructions, 1 + (seed % 997)),
      time: limits.time,
    });
    wall += executed * (1 + (seed % 300)) + 1000;
    if (pc.instructions === stop) hashes.push(pc.stateHash());
    follower.end(pc, wall, executed);
    if (pc.halted) wall += follower.pause(pc, wall) * MS + (seed % MS);
    if (++slices % 37 === 0) wall += 3000 * MS;
  }
  return { corrections, hashes };
}

function replay(engine: EngineName, corrections: readonly TimeCorrection[]): string[] {
  const pc = createDemo(engine);
  return STOPS.map((stop) => {
    // Those at the stop itself came after the look.
    const rest = corrections.filter(({ instructions }) => instructions >= pc.instructions && instructions < stop);
    expect(replayTime(pc, rest, stop).reason).toMatch(/budget|output/);
    return pc.stateHash();
  });
}

describe('recorded corrections', () => {
  it('give the same states on both engines, however the recorded run was cut into slices', () => {
    const { corrections, hashes } = record('interpreter');
    expect(corrections.length).toBeGreaterThan(100);
    expect(new Set(corrections.map(({ slope }) => slope)).size).toBeGreaterThan(50);
    expect(corrections.some(({ time }, index) => index > 0 && time - corrections[index - 1].time > 900 * MS)).toBe(
      true,
    );
    expect(replay('interpreter', corrections)).toEqual(hashes);
    expect(replay('jit', corrections)).toEqual(hashes);
    expect(replay('reference', corrections)).toEqual(hashes);
  });

  it('are all needed', () => {
    const { corrections, hashes } = record('interpreter');
    expect(replay('interpreter', corrections.slice(0, -40)).at(-1)).not.toBe(hashes.at(-1));
    const last = corrections.map((correction) => ({ ...correction, slope: correction.slope + 1 }));
    expect(replay('interpreter', last).at(-1)).not.toBe(hashes.at(-1));
  });
});

describe('a slope', () => {
  it('is part of the state', () => {
    const [first, second] = [createDemo('interpreter'), createDemo('interpreter')];
    expect(first.stateHash()).toBe(second.stateHash());
    second.correctTime({ time: 0, slope: slopeOf(3) });
    expect(first.stateHash()).not.toBe(second.stateHash());
  });
});
