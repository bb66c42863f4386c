/** Guests moved from one host to another, by way of the library. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assembleDemo } from '../../../../src/cli/demo.ts';
import { type Guest, type GuestOptions, Host } from '../../../../src/index.ts';
import { createDuplex } from '../../../support/duplex.ts';

let here: Host;
let there: Host;

beforeEach(async () => {
  [here, there] = [await Host.create(), await Host.create()];
});
afterEach(async () => {
  await here[Symbol.asyncDispose]();
  await there[Symbol.asyncDispose]();
});

const demo = (more: Partial<GuestOptions> = {}) =>
  here.createGuest({ boot: { image: assembleDemo() }, memory: 1, name: 'demo', ...more });
const hashAt = async (guest: Guest, instructions: number): Promise<string> => {
  await guest.runTo(instructions);
  return guest.machine.stateHash();
};

describe('a guest that is moved', () => {
  it('goes on there as it would have here, and has ended here', async () => {
    const [guest, other] = [await demo(), await demo({ name: 'other' })];
    await guest.runTo(30_000);
    const { source, destination } = createDuplex();
    const [moved, migration] = await Promise.all([there.receive(destination), guest.migrate(source)]);
    expect(migration).toMatchObject({ instructions: 30_000, written: 0 });
    expect([guest.state, guest.exitReason]).toEqual(['stopped', { reason: 'migrated' }]);
    expect([moved.state, moved.instructions]).toEqual(['created', 30_000]);
    expect(await hashAt(moved, 200_000)).toBe(await hashAt(other, 200_000));
  });

  it('runs while it is copied', async () => {
    const [guest, other] = [await demo(), await demo({ name: 'other' })];
    void guest.run();
    const { source, destination } = createDuplex({ forth: { chunk: 1000, wait: () => new Promise(setImmediate) } });
    const [moved, migration] = await Promise.all([there.receive(destination), guest.migrate(source, { downtime: 0 })]);
    expect(migration.rounds).toBeGreaterThan(3);
    expect(moved.instructions).toBe(migration.instructions);
    expect(moved.machine.stateHash()).toBe(await hashAt(other, migration.instructions));
    expect(await hashAt(moved, migration.instructions + 100_000)).toBe(
      await hashAt(other, migration.instructions + 100_000),
    );
  });
});
