/** Clones by the library: equal guests that share memory, and go their own ways. */
import { describe, expect, it } from 'vitest';
import { assembleDemo } from '../../../src/cli/demo.ts';
import { type Guest, Host, StateError, UserError } from '../../../src/index.ts';

const image = assembleDemo();

/** The demo at its prompt. */
async function createDemo() {
  const host = await Host.create();
  const guest = await host.createGuest({ boot: { image }, memory: 2, name: 'demo', weight: 3, cap: 50 });
  void guest.run();
  await guest.serial.waitFor('> ');
  guest.pause();
  return { host, guest };
}

/** What a command prints. */
async function command(guest: Guest, text: string): Promise<string> {
  guest.serial.write(`${text}\r`);
  const { before } = await guest.serial.waitFor('\r\n> ');
  return before;
}

describe('clones', () => {
  it('are equal to the guest, share its memory, and count on', async () => {
    const { host, guest } = await createDemo();
    const [clone] = await guest.clone();
    expect([clone.name, clone.state, clone.instructions]).toEqual(['demo.1', 'created', guest.instructions]);
    expect(clone.machine.stateHash()).toBe(guest.machine.stateHash());
    expect(clone.machine.memoryShared).toBe(clone.machine.memoryInUse);
    expect(guest.machine.memoryShared).toBe(guest.machine.memoryInUse);
    await Promise.all([guest, clone].map((one) => one.runTo(guest.instructions + 100_000)));
    expect(clone.machine.stateHash()).toBe(guest.machine.stateHash());
    host.dispose();
  });

  it('each does what it is told, also clones of clones; the guest is none the wiser', async () => {
    const { host, guest } = await createDemo();
    const before = guest.machine.stateHash();
    const clones = await guest.clone({ count: 5 });
    clones.push(...(await clones[4].clone({ count: 2 })));
    expect(clones.map(({ name }) => name)).toEqual([
      ...['demo.1', 'demo.2', 'demo.3', 'demo.4', 'demo.5'],
      ...['demo.5.1', 'demo.5.2'],
    ]);
    for (const clone of clones) void clone.run();
    const answers = await Promise.all(clones.map((clone, index) => command(clone, `echo ${index}${index}`)));
    expect(answers.map((answer, index) => answer.includes(`${index}${index}`))).toEqual(clones.map(() => true));
    expect(new Set(clones.map((clone) => clone.machine.stateHash())).size).toBe(7);
    expect(guest.machine.stateHash()).toBe(before);
    for (const clone of clones.slice(0, 3)) clone.dispose();
    expect(guest.machine.stateHash()).toBe(before);
    guest.dispose();
    expect(await command(clones[3], 'echo still')).toContain('still');
    host.dispose();
  });

  it('have the limits that the guest has by then', async () => {
    const { host, guest } = await createDemo();
    guest.addFuel(5);
    expect((await guest.clone())[0].fuelLeft).toBe(Number.POSITIVE_INFINITY);
    const limited = await host.createGuest({ boot: { image }, memory: 2, fuel: 1000 });
    await limited.runTo(900);
    limited.addFuel(100);
    const [clone] = await limited.clone();
    expect([clone.fuelLeft, limited.fuelLeft]).toEqual([200, 200]);
    expect(await clone.run()).toMatchObject({ reason: 'out-of-fuel', receipt: { instructions: 1100 } });
    host.dispose();
  });

  it('are refused where they cannot be, and then there are none', async () => {
    const { host, guest } = await createDemo();
    await expect(guest.clone({ count: 0 })).rejects.toThrow('clone: count must be');
    await expect(guest.clone({ counts: 1 } as never)).rejects.toThrow(UserError);
    guest.stop();
    await expect(guest.clone()).rejects.toThrow(StateError);
    guest.dispose();
    await expect(guest.clone()).rejects.toThrow(StateError);
    const driven = await host.createGuest({ floppy: {}, memory: 2 });
    await expect(driven.clone()).rejects.toThrow('guest 1 has drives: guests with drives cannot be cloned yet');
    expect(host.guests).toEqual([driven]);
    host.dispose();
  });
});
