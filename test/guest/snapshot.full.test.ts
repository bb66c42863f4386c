/** Debian, saved by way of the library while it boots, and restored; and both reset. */
import { describe, expect, it } from 'vitest';
import { Host } from '../../src/index.ts';
import { COMMAND_LINE, debianBoot } from '../support/debian.ts';

const SAVED_AT = 60_000_000;
const MORE = 20_000_000;

const { boot, reason } = await debianBoot('debian-686');

describe.skipIf(!boot)(`a snapshot of Debian${reason ? ` (${reason})` : ''}`, () => {
  it('restores, goes on as the guest does, and boots again', async () => {
    await using host = await Host.create();
    const { kernel, initrd } = boot as { kernel: Uint8Array; initrd: Uint8Array };
    const guest = await host.createGuest({ boot: { kernel, initrd, commandLine: COMMAND_LINE }, memory: 128 });
    await guest.runTo(SAVED_AT);
    const restored = await host.restore(await guest.snapshot());
    const states: string[][] = [];
    for (const each of [guest, restored]) {
      const seen = [each.machine.stateHash()];
      await each.runTo(SAVED_AT + MORE);
      seen.push(each.machine.stateHash());
      each.reset();
      await each.runTo(SAVED_AT + 2 * MORE);
      states.push([...seen, each.machine.stateHash()]);
    }
    expect(states[1]).toEqual(states[0]);
  });
});
