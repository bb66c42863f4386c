/** What a BIOS and drivers do to all chips of a PC, done again with mutations: nothing throws, nothing grows. */
import { expect, it } from 'vitest';
import { recordPorts, replayPorts } from '../../support/port-replay.ts';

it('forty thousand accesses of a boot, one in ten changed', () => {
  const log = recordPorts();
  const ports = new Set(log.map(({ port }) => port));
  // PCI, IDE and its bus master, floppy controller and DMA, clock and interrupt controllers: all are in it.
  for (const port of [
    0xcf8, 0xcfc, 0x1f0, 0x1f7, 0x176, 0xc000, 0xc004, 0x3f2, 0x3f5, 0x04, 0x0b, 0x81, 0x21, 0x43, 0x70,
  ])
    expect(ports, port.toString(16)).toContain(port);
  replayPorts(log, 40_000, 1);
});
