/** The BIOS called from virtual-8086 mode, as memory managers of DOS do: memory is what paging makes of it. */
import { expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/fault.ts';
import { CR0 } from '../../../src/cpu/register-bits.ts';
import { bootImage, createBiosMachine } from '../../support/bios-machine.ts';
import { monitor, PAGED, PAGED_FRAME, PAGES } from '../../support/virtual-8086.ts';

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

it('calls whose frames cannot be written leave neither a transfer nor an alarm behind', () => {
  const { pc } = createBiosMachine({ floppy: bootImage(monitor('jmp $')), disks: [new Uint8Array(2 ** 20)] });
  expect(pc.run({ instructions: 300_000 }).reason).toBe('budget');
  const { clock, memory, processor } = pc;
  processor.state.cr0 |= CR0.WP;
  processor.mmu.flush('all');
  const alarms = new Set<unknown>();
  const setAlarm = clock.setAlarm.bind(clock);
  clock.setAlarm = (...given) => {
    const alarm = setAlarm(...given);
    const cancel = alarm.cancel.bind(alarm);
    alarms.add(alarm);
    alarm.cancel = () => {
      alarms.delete(alarm);
      cancel();
    };
    return alarm;
  };
  /** Reads a sector of the disk; `access`: to the page that the frame lies in. */
  const read = (frame: number, access: 5 | 7): void => {
    const page = frame >>> 12;
    memory.write(PAGES.TABLE + 4 * page, page * 0x1000 + access, 4);
    processor.mmu.flushPage(page * 0x1000);
    for (let at = 0; at < 48; at += 4) memory.write(frame + at, 0, 4);
    memory.write(frame, 0x6000, 2); // ES
    memory.write(frame + 24, 0x80, 4); // DX
    memory.write(frame + 28, 1, 4); // CX
    memory.write(frame + 32, 0x0201, 4); // AX
    memory.write(frame + 40, 0x13, 2);
    processor.ports.write(0xce0, ((frame >>> 4) << 16) >>> 0, 4);
  };
  for (let call = 0; call < 500; call++)
    expect(() => read(0x4_0000 + 64 * call, 5)).toThrow(expect.objectContaining({ vector: VECTOR.PF }));
  expect([alarms.size, pc.bios!.state.calls.length]).toEqual([0, 0]);
  read(0x4_0000, 7);
  expect([alarms.size, pc.bios!.state.calls.length]).toEqual([2, 1]);
});
