/** Several guests in one process: shares by weight, and one's end is not another's. */
import { describe, expect, it } from 'vitest';
import { createPlatform } from '../../src/host/platform.ts';
import { Host as Hypervisor } from '../../src/hypervisor/host.ts';
import { Host } from '../../src/index.ts';
import { debianBoot, PROMPT, READY_MARKER, Typist } from '../support/debian.ts';

const { boot, reason } = await debianBoot('debian-686');

describe.skipIf(!boot)(`two Debian guests${reason ? ` (${reason})` : ''}`, () => {
  it('get processor time 1:3 within 2 % while both boot', async () => {
    const host = await Host.create();
    const light = await host.createGuest({ name: 'light', boot: boot!, weight: 1 });
    const heavy = await host.createGuest({ name: 'heavy', boot: boot!, weight: 3 });
    const typist = new Typist(heavy);
    void light.run();
    void heavy.run();
    await typist.waitFor(READY_MARKER);
    const ratio = heavy.processorTime / light.processorTime;
    host.dispose();
    expect(Math.abs(ratio - 3) / 3).toBeLessThan(0.02);
  });

  it('a triple fault of one leaves the other running', async () => {
    const host = await Host.create();
    // lidt [zero limit]; int3: no handler for the exception, nor for that of its absence.
    const image = Uint8Array.of(0x0f, 0x01, 0x1e, 0x07, 0x7c, 0xcc, 0xf4, 0, 0, 0, 0, 0, 0);
    const healthy = await host.createGuest({ name: 'healthy', boot: boot! });
    const failing = await host.createGuest({ name: 'failing', boot: { image }, onTripleFault: 'stop', memory: 4 });
    const typist = new Typist(healthy);
    void healthy.run();
    expect(await failing.run()).toMatchObject({ reason: 'triple-fault' });
    await typist.waitFor(PROMPT);
    expect(await typist.command('echo alive')).toBe('alive');
    host.dispose();
  });

  it('an internal error of one leaves the other running', async () => {
    const host = new Hypervisor({ platform: createPlatform() });
    const healthy = await host.createGuest({ name: 'healthy', boot: boot! });
    const failing = await host.createGuest({ name: 'failing', boot: boot! });
    // A bug of ours, planted: a device that throws.
    failing.machine.vga.writePort = () => {
      throw new TypeError('planted');
    };
    const typist = new Typist(healthy);
    void healthy.run();
    expect(await failing.run()).toMatchObject({ reason: 'error', error: { name: 'InternalError' } });
    await typist.waitFor(PROMPT);
    expect(await typist.command('echo alive')).toBe('alive');
    host.dispose();
  });
});
