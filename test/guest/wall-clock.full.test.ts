/** Clock `host` with a real kernel: its clocks go as the host's do, idle and busy, alone and in company. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Guest } from '../../src/index.ts';
import { Host } from '../../src/index.ts';
import { debianBoot, PROMPT, Typist } from '../support/debian.ts';

const { boot, reason } = await debianBoot('debian-686');

const GUESTS = 4;
const SECONDS = 10;
/** How far apart the clocks may get. */
const TOLERANCE = 0.01 * SECONDS;

describe.skipIf(!boot)(`${GUESTS} guests on the host’s clock${reason ? ` (${reason})` : ''}`, () => {
  let host: Host;
  const guests: Guest[] = [];
  const typists: Typist[] = [];

  beforeAll(async () => {
    host = await Host.create();
    for (let index = 0; index < GUESTS; index++) {
      const guest = await host.createGuest({ boot: boot!, memory: 128, clock: 'host', powerOnTime: Date.now() });
      typists.push(new Typist(guest));
      guests.push(guest);
      void guest.run();
    }
    await Promise.all(typists.map((typist) => typist.waitFor(PROMPT)));
  }, 600_000);

  afterAll(() => host.dispose());

  /** The guest's own clocks, and how long the answer took the host at most, in seconds. */
  const look = async (typist: Typist) => {
    const before = performance.now();
    const text = await typist.command('cat /proc/uptime; date +%s; hwclock -u');
    const after = performance.now();
    const [, uptime] = /^(\d+\.\d+) /.exec(text)!;
    const [, date] = /^(\d{9,})$/m.exec(text)!;
    const [, hours, minutes, seconds] = /(\d\d):(\d\d):(\d\d)/.exec(text)!.map(Number);
    const clocks = { uptime: Number(uptime), date: Number(date), rtc: (hours * 60 + minutes) * 60 + seconds };
    return { clocks, middle: (before + after) / 2000, slack: (after - before) / 2000 };
  };

  const compare = async () => {
    const [typist] = typists;
    const first = await look(typist);
    const start = performance.now();
    const times = guests.map(({ machine }) => machine.time);
    await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
    const passed = performance.now() - start;
    for (const [index, { machine }] of guests.entries()) {
      expect(Math.abs((machine.time - times[index]) / 1e6 - passed) / 1000).toBeLessThan(TOLERANCE);
    }
    const second = await look(typist);
    const wall = second.middle - first.middle;
    const unsure = TOLERANCE + first.slack + second.slack;
    expect(Math.abs(second.clocks.uptime - first.clocks.uptime - wall)).toBeLessThan(unsure);
    // These count whole seconds.
    expect(Math.abs(second.clocks.date - first.clocks.date - wall)).toBeLessThan(unsure + 1);
    expect(Math.abs(((second.clocks.rtc - first.clocks.rtc + 86_400) % 86_400) - wall)).toBeLessThan(unsure + 1);
  };

  it('idle', compare, 600_000);

  it('busy, all on one core', async () => {
    for (const typist of typists) await typist.command('while :; do :; done &');
    await compare();
  }, 600_000);
});
