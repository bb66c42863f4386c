/** Guests in threads of their own: the library with a real worker. More of it is in `threads.full.test.ts`. */
import { afterEach, describe, expect, it } from 'vitest';
import { assembleDemo } from '../../../src/cli/demo.ts';
import { createPlatform } from '../../../src/host/platform.ts';
import { type GuestOptions, Host, type HostOptions, StateError, UserError } from '../../../src/index.ts';
import { useWorkerBundle } from '../../support/worker-bundle.ts';

const hosts: Host[] = [];
const program = useWorkerBundle();
afterEach(() => {
  for (const host of hosts.splice(0)) host.dispose();
});

async function createHost(options: HostOptions = {}): Promise<Host> {
  const host = await Host.create({ threads: 2, worker: program(), ...options });
  hosts.push(host);
  return host;
}

const demo = assembleDemo();
const SPIN: GuestOptions = { boot: { image: Uint8Array.of(0xeb, 0xfe) }, memory: 1, engine: 'reference' };

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error) => error,
  );

describe('a guest in a thread', () => {
  it('is at each instruction what it is in the caller’s, also with input in between', async () => {
    const trails: string[][] = [];
    for (const threads of [0, 2]) {
      const host = await createHost({ threads });
      const guest = await host.createGuest({ boot: { image: demo }, memory: 2 });
      guest.serial.discard();
      const trail: string[] = [];
      for (let count = 1; count <= 5; count++) {
        await guest.runTo(count * 10_007);
        expect(guest.instructions).toBe(count * 10_007);
        if (count === 3) guest.serial.write('help\r');
        trail.push(await guest.stateHash());
      }
      trails.push(trail);
    }
    expect(trails[1]).toEqual(trails[0]);
    expect(new Set(trails[0]).size).toBe(5);
  });
});

describe('a host with threads refuses', () => {
  it.each([
    [{ threads: -1 }, 'threads must be a whole number from 0 to 256, not -1'],
    [{ threads: 1.5 }, 'threads must be a whole number from 0 to 256, not 1.5'],
    [{ worker: 5 }, 'worker must be a URL or a path, not 5'],
    [{ platform: createPlatform() }, 'threads: this platform starts none (startWorker)'],
  ])('%o', async (options, message) => {
    const error = await failure(Host.create({ threads: 1, ...(options as HostOptions) }));
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toBe(message);
  });

  it('a program that is not there', async () => {
    const host = await createHost({ worker: '/no/such/worker.js' });
    const error = await failure(host.createGuest(SPIN));
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(/^guest 1: the thread of pool 1 has ended: .*no.such.worker/);
    expect(host.guests).toEqual([]);
  });

  it('a guest, once it is disposed', async () => {
    const host = await createHost();
    const created = failure(host.createGuest(SPIN));
    await Promise.resolve();
    host.dispose();
    expect(await created).toBeInstanceOf(StateError);
  });
});
