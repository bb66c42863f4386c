/** A Debian that is told of its hypervisor takes kvmclock for its clock, and sees what time others have. */
import { describe, expect, it } from 'vitest';
import { Host } from '../../src/index.ts';
import { debianBoot, PROMPT, Typist } from '../support/debian.ts';

const { boot, reason } = await debianBoot('debian-686');

const BUSY = 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; head -1 /proc/stat';

describe.skipIf(!boot)(`a paravirtual Debian${reason ? ` (${reason})` : ''}`, () => {
  it('finds KVM and its clock, and accounts for the time that a busy neighbour takes', async () => {
    using host = await Host.create();
    const settings = { boot: boot!, memory: 128, clock: 'host', powerOnTime: Date.now(), paravirtual: true } as const;
    const guest = await host.createGuest(settings);
    const typist = new Typist(guest);
    void guest.run();
    await typist.waitFor(PROMPT);
    const clocks = await typist.command(
      'dmesg | grep -i -E "hypervisor|kvm-clock:"; cat /sys/devices/system/clocksource/clocksource0/available_clocksource; date +%s',
    );
    expect(clocks).toContain('Hypervisor detected: KVM');
    expect(clocks).toContain('kvm-clock: Using msrs 4b564d01 and 4b564d00');
    expect(clocks).toMatch(/^.*kvm-clock.* acpi_pm|^.*kvm-clock/m);
    const [, date] = /^(\d{9,})$/m.exec(clocks)!;
    expect(Math.abs(Number(date) - Date.now() / 1000)).toBeLessThan(5);

    const ticks = async () => {
      const [, ...numbers] = /cpu +(\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)/.exec(await typist.command(BUSY))!;
      return { busy: numbers.slice(0, 3).reduce((sum, each) => sum + Number(each), 0), stolen: Number(numbers[7]) };
    };
    const stolenShare = async () => {
      const before = await ticks();
      const after = await ticks();
      const stolen = after.stolen - before.stolen;
      return stolen / (stolen + after.busy - before.busy);
    };
    const alone = await stolenShare();
    const neighbour = await host.createGuest({ boot: { image: Uint8Array.of(0xeb, 0xfe) }, memory: 1 }); // jmp $
    void neighbour.run();
    const together = await stolenShare();
    expect(alone).toBeLessThan(0.2);
    expect(together).toBeGreaterThan(0.3);
    expect(together).toBeLessThan(0.7);
  });
});
