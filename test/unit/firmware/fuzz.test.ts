/** Calls that no program would make: each comes to an end, and nothing is thrown. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/difftest/random.ts';
import { SERVICE } from '../../../src/firmware/service.ts';
import { bootImage, createBiosMachine } from '../../support/bios-machine.ts';
import { bootCd } from '../../support/boot-cd.ts';

const MIB = 2 ** 20;
const FRAME = { AT: 0x2_0000, SERVICE: 40, AH: 33 } as const;
const CALLS = 6000;
const SERVICES = Object.values(SERVICE).filter((service) => service !== SERVICE.POWER_ON);

describe('random calls of the BIOS', () => {
  it.each([1, 2, 3])('seed %i', (seed) => {
    const random = new Random(seed);
    const cd = bootCd({ media: 2, image: new Uint8Array(MIB) });
    const { pc, run } = createBiosMachine({ floppy: bootImage('cli\nhlt'), disks: [new Uint8Array(MIB)], cd });
    expect(run()).toBe('halted');
    const { memory } = pc;
    const served = new Set<number>();
    for (let count = 0; count < CALLS; count++) {
      const place = FRAME.AT + 64 * random.below(40);
      if (random.oneIn(8)) memory.write(0x400 + random.below(0x100), random.below(256), 1);
      for (let at = 0; at < 48; at += 4)
        memory.write(place + at, random.oneIn(3) ? random.below(8) : random.below(2 ** 32), 4);
      const service = SERVICES[random.below(SERVICES.length)];
      memory.write(place + FRAME.SERVICE, service, 2);
      if (random.oneIn(2)) memory.write(place + FRAME.AH, random.below(0x60), 1);
      const port = random.oneIn(4) ? 0xce4 : 0xce0;
      pc.processor.ports.write(port, (place >>> 4) * 0x1_0000, 4);
      if (memory.read(place + 36, 2) === 0) served.add(service);
      if (random.oneIn(16)) pc.clock.fireDue();
    }
    expect(served.size).toBeGreaterThan(10);
    expect(pc.bios!.state.calls.length).toBeLessThanOrEqual(16);
    expect(() => structuredClone(pc.bios!.state)).not.toThrow();
  });
});
