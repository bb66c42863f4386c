/** An IDE function with its drives, in whatever state a driver has brought it: saved and restored; reset. */
import { describe, expect, it } from 'vitest';
import { resetDevices } from '../../../../src/bus/device.ts';
import { AtapiCdrom } from '../../../../src/devices/ide/atapi-cdrom.ts';
import { Random } from '../../../../src/difftest/random.ts';
import { createHostileIde, type HostileIde, hostileStep, summary } from '../../../support/ide-accesses.ts';

function play(bench: HostileIde, random: Random, steps: number): number[][] {
  return Array.from({ length: steps }, () => {
    const { seen, pause } = hostileStep(bench, random);
    bench.clock.advance(pause);
    return seen;
  });
}

const drives = (bench: HostileIde) => bench.drives.flat().filter((drive) => drive !== undefined);
const cdOf = (bench: HostileIde) => drives(bench).find((drive) => drive instanceof AtapiCdrom)!;
const hasDisc = (bench: HostileIde) => cdOf(bench).hasDisc;

/** A fresh one at the same moment, with the same media and memory, and the saved state in it. */
function restored(original: HostileIde): HostileIde {
  const copy = createHostileIde();
  for (const name of ['first', 'second', 'disc'] as const) copy.media[name].bytes.set(original.media[name].bytes);
  copy.memory.bytes.set(original.memory.bytes);
  if (!hasDisc(original)) cdOf(copy).eject({ force: true });
  copy.clock.advanceTo(original.clock.now);
  const saved = original.devices.map(({ state }) => structuredClone(state));
  for (const [index, device] of copy.devices.entries()) Object.assign(device.state as object, saved[index]);
  for (const device of copy.devices) device.resume();
  return copy;
}

describe('save → restore → same behaviour', () => {
  it('after random accesses, with requests, data and interrupts under way', () => {
    const met = new Set<string>();
    const random = new Random(0x5a7e);
    for (let round = 0; round < 60; round++) {
      const original = createHostileIde();
      play(original, new Random(round), 20 + random.below(200));
      for (const { state } of drives(original)) met.add(state.activity);
      const copy = restored(original);
      expect(summary(copy)).toBe(summary(original));
      expect(copy.lines.map(({ level }) => level)).toEqual(original.lines.map(({ level }) => level));
      expect(copy.clock.nextAlarm).toBe(original.clock.nextAlarm);
      const expected = play(original, new Random(round + 1000), 100);
      expect(play(copy, new Random(round + 1000), 100)).toEqual(expected);
      expect(summary(copy)).toBe(summary(original));
      for (const name of ['first', 'second'] as const)
        expect(Buffer.compare(copy.media[name].bytes, original.media[name].bytes)).toBe(0);
      expect(Buffer.compare(copy.memory.bytes, original.memory.bytes)).toBe(0);
    }
    expect([...met].sort()).toEqual(['dma-in', 'dma-out', 'idle', 'pio-in', 'pio-out', 'resetting', 'working']);
  });

  it('the saved copy is apart from the device', () => {
    const bench = createHostileIde();
    play(bench, new Random(5), 150);
    const saved = bench.devices.map(({ state }) => structuredClone(state));
    const copy = structuredClone(saved);
    play(bench, new Random(6), 50);
    resetDevices(bench.devices);
    expect(saved).toEqual(copy);
  });
});

it('a reset leads to the state after power-on, whatever was under way', () => {
  const fresh = createHostileIde({ configured: false });
  const expected = summary(fresh);
  let compared = 0;
  for (let round = 0; round < 60; round++) {
    const bench = createHostileIde();
    play(bench, new Random(round), 150);
    if (!hasDisc(bench)) continue;
    resetDevices(bench.devices);
    expect(bench.lines.map(({ level }) => level)).toEqual([0, 0]);
    bench.clock.advance(1_000_000);
    expect(summary(bench)).toBe(expected);
    expect(bench.clock.nextAlarm).toBe(Number.POSITIVE_INFINITY);
    compared++;
  }
  expect(compared).toBeGreaterThan(20);
});

it('every device has a name of its own and a state version', () => {
  const { devices } = createHostileIde();
  for (const { name, stateVersion } of devices) {
    expect(name).toMatch(/^[a-z][a-z0-9-]*$/);
    expect(stateVersion).toBeGreaterThanOrEqual(1);
  }
  expect(new Set(devices.map(({ name }) => name)).size).toBe(devices.length);
});
