/** A booted Debian and clones of it, all in one process. What they take is measured by the bench. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Guest, Host } from '../../src/index.ts';
import { debianBoot, PROMPT, Typist } from '../support/debian.ts';

const { boot, reason } = await debianBoot('debian-686');
const COUNT = 24;
const MIB = 2 ** 20;

describe.skipIf(!boot)(`clones of a booted Debian${reason ? ` (${reason})` : ''}`, () => {
  let host: Host;
  let guest: Guest;
  let clones: Guest[];
  let before: string;

  beforeAll(async () => {
    host = await Host.create();
    guest = await host.createGuest({ boot: boot!, memory: 512, name: 'debian' });
    const typist = new Typist(guest);
    void guest.run();
    await typist.waitFor(PROMPT);
    await typist.command('echo early > /tmp/early');
    guest.pause();
    before = guest.machine.stateHash();
  }, 600_000);
  afterAll(() => host?.dispose());

  it('are made at once, and share all that it has', async () => {
    clones = await guest.clone({ count: COUNT });
    for (const clone of clones) expect(clone.machine.memoryShared).toBe(clone.machine.memoryInUse);
    expect(clones[0].machine.stateHash()).toBe(before);
    expect(clones[COUNT - 1].machine.stateHash()).toBe(before);
  });

  it('each answers a command of its own, and has what was there', async () => {
    for (const clone of clones) void clone.run();
    const answers = await Promise.all(
      clones.map((clone, index) =>
        new Typist(clone).command(`echo ${index} > /tmp/mine; cat /tmp/early /tmp/mine; echo $((${index} * ${index}))`),
      ),
    );
    expect(answers).toEqual(clones.map((_, index) => `early\n${index}\n${index * index}`));
  });

  it('own what they have written, a few MiB each; the guest none of it', () => {
    for (const clone of clones) {
      const { memoryInUse, memoryShared } = clone.machine;
      expect(memoryInUse - memoryShared).toBeLessThan(8 * MIB);
      expect(memoryShared).toBeGreaterThan(20 * MIB);
    }
    expect(guest.machine.stateHash()).toBe(before);
  });

  it('give it back when they are disposed; the others go on', async () => {
    const rest = clones.slice(COUNT / 2);
    for (const clone of clones.slice(0, COUNT / 2)) clone.dispose();
    expect(await new Typist(rest[0]).command('cat /tmp/mine')).toBe(`${COUNT / 2}`);
    for (const clone of rest) clone.dispose();
    expect(guest.machine.memoryShared).toBe(0);
    expect(guest.machine.stateHash()).toBe(before);
  });

  it('one that is run as the guest is comes to the same states', async () => {
    const [twin] = await guest.clone();
    for (const one of [guest, twin]) {
      one.serial.discard();
      one.serial.write('ls -lR /etc /sys/class | md5sum\n');
      await one.runTo(guest.instructions + 1);
    }
    const end = guest.instructions + 100_000_000;
    for (const one of [guest, twin]) expect(await one.runTo(end)).toMatch(/reached|idle/);
    expect(twin.machine.stateHash()).toBe(guest.machine.stateHash());
  });
});
