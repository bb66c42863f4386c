/** The BIOS called from virtual-8086 mode, as memory managers of DOS do: memory is what paging makes of it. */
import { expect, it } from 'vitest';
import { bootImage, createBiosMachine } from '../../support/bios-machine.ts';
import { monitor, PAGED, PAGED_FRAME } from '../../support/virtual-8086.ts';

const CALL = `mov ax, 0x1b00
  mov bx, 0
  mov di, 0x100
  pushf
  call 0xf000:0xf065
  out 0xe9, al`;

it.each(['interpreter', 'jit', 'reference'] as const)('writes where the caller’s page lies, on the %s', (engine) => {
  const { pc, output } = createBiosMachine({ engine, floppy: bootImage(monitor(CALL)) });
  // HLT in virtual-8086 mode has no handler here.
  expect(pc.run({ instructions: 1_000_000 }).reason).toBe('triple-fault');
  expect(output()).toBe('\x1b.');
  // The mode, at offset 4 of the table.
  expect([pc.memory.read(PAGED_FRAME + 0x104, 1), pc.memory.read(PAGED + 0x104, 1)]).toEqual([3, 0]);
});

it.each(['interpreter', 'jit', 'reference'] as const)(
  'a page that is not there: the monitor’s page fault, and again, on the %s',
  (engine) => {
    const { pc, output } = createBiosMachine({ engine, floppy: bootImage(monitor(CALL, { present: false })) });
    expect(pc.run({ instructions: 1_000_000 }).reason).toBe('triple-fault');
    expect(output()).toBe('f\x1b.');
    expect(pc.memory.read(PAGED_FRAME + 0x104, 1)).toBe(3);
  },
);
