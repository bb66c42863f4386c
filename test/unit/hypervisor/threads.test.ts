/** Guests in threads of their own: the library with real workers. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { assembleDemo } from '../../../src/cli/demo.ts';
import { type Guest, type GuestOptions, Host, type HostOptions } from '../../../src/index.ts';
import { bundleWorker, type WorkerBundle } from '../../support/worker-bundle.ts';

const demo = assembleDemo();
const hosts: Host[] = [];
const bundles: WorkerBundle[] = [];
beforeAll(async () => {
  bundles.push(await bundleWorker());
});
afterEach(() => {
  for (const host of hosts.splice(0)) host.dispose();
});
afterAll(() => {
  for (const bundle of bundles) bundle.dispose();
});

async function createHost(options: HostOptions = { threads: 2 }): Promise<Host> {
  const host = await Host.create({ worker: bundles[0].path, ...options });
  hosts.push(host);
  return host;
}

/** What a command of the demo prints. */
async function command(guest: Guest, text: string): Promise<string> {
  guest.serial.write(`${text}\r`);
  const { before } = await guest.serial.waitFor('\r\n> ');
  return before;
}

describe('a guest in a thread', () => {
  it('is at each instruction what it is in the caller\u2019s thread', async () => {
    const options: GuestOptions = { boot: { image: demo }, memory: 2 };
    const hashes: string[][] = [];
    for (const threads of [0, 2]) {
      const host = await createHost({ threads });
      const guest = await host.createGuest(options);
      guest.serial.discard();
      const trail: string[] = [];
      for (let count = 1; count <= 5; count++) {
        await guest.runTo(count * 10_007);
        expect(guest.instructions).toBe(count * 10_007);
        if (count === 3) guest.serial.write('help\r');
        trail.push(await guest.stateHash());
      }
      hashes.push(trail);
    }
    expect(hashes[1]).toEqual(hashes[0]);
    expect(new Set(hashes[0]).size).toBe(5);
  });

  it('answers what it is sent', async () => {
    const host = await createHost();
    const guest = await host.createGuest({ boot: { image: demo }, memory: 2 });
    void guest.run();
    await guest.serial.waitFor('> ');
    expect(await command(guest, 'echo 42')).toContain('42');
    guest.keyboard.type('echo 43\n');
    await guest.serial.waitFor('> ');
  });
});
