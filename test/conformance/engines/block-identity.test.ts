/** What makes a piece of decoded code the right one: its bytes, the code size, the code segment's end, and nothing else. */
import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/fault.ts';
import { descriptor, LAYOUT, runSystem, SELECTOR, SYSTEM_ENGINES } from '../../support/system-machine.ts';

const CODE_AT = 0x20000;

describe.each(SYSTEM_ENGINES)('decoded code, %s', (engine) => {
  it('the same bytes are other instructions in a segment of the other code size', () => {
    // 66 40: INC AX in 32-bit code, INC EAX in 16-bit code. FF E2: JMP EDX or JMP DX.
    // 16-bit code goes on 10h bytes behind: 66 EA is a far JMP to 32-bit code.
    const at = 0x5000;
    const { ebx, ecx, esi } = runSystem(
      engine,
      `mov edi, ${at}
      mov dword [edi], 0xe2ff4066
      mov word [edi + 0x10], 0xea66
      mov dword [edi + 0x12], back16
      mov word [edi + 0x16], ${SELECTOR.CODE}
      mov eax, 0x1ffff
      mov edx, back32
      jmp edi
      back32: mov ebx, eax
      mov eax, 0x1ffff
      mov edx, ${at + 0x10}
      jmp ${SELECTOR.CODE16}:${at}
      back16: mov ecx, eax
      mov eax, 0x1ffff
      mov edx, again
      jmp edi
      again: mov esi, eax`,
    );
    expect([ebx, ecx, esi].map((value) => value.toString(16))).toEqual(['10000', '20000', '10000']);
  });

  it('code that was executed before faults where the code segment has become too short for it', () => {
    const { exceptions, ebx, ecx } = runSystem(
      engine,
      `mov edi, ${CODE_AT}
      mov eax, 0x43434343 ; inc ebx, eight times
      stosd
      stosd
      mov byte [edi], 0xcb ; retf
      xor ebx, ebx
      @try call ${SELECTOR.FREE}:0
      mov ecx, ebx
      mov dword [${LAYOUT.GDT + SELECTOR.FREE}], 4 ; limit: five bytes; base 15-0 is 0 as before
      @try call ${SELECTOR.FREE}:0`,
      {
        prepare(machine) {
          machine.write32(
            LAYOUT.GDT + SELECTOR.FREE,
            ...descriptor({ base: CODE_AT, limit: 0xfff, access: 0x9a, flags: 4 }),
          );
        },
      },
    );
    expect([ecx, ebx]).toEqual([8, 8 + 5]);
    expect(exceptions).toMatchObject([{ vector: VECTOR.GP, errorCode: 0, eip: 5, cs: SELECTOR.FREE }]);
  });

  it('a page that was never written reads as zero, and shows what is written to it at another address', () => {
    const [first, second, physical] = [0x400000, 0x401000, 0x300000];
    const table = 0x82000;
    const { ebx, ecx, edx } = runSystem(
      engine,
      `mov eax, ${LAYOUT.PAGE_DIRECTORY}
      mov cr3, eax
      mov eax, cr0
      or eax, 0x80000000
      mov cr0, eax
      mov esi, 2
      again: mov ebx, [${first}]
      dec esi
      jnz again
      mov dword [${second}], 5
      mov ecx, [${first}]
      mov byte [${first}], 6
      mov edx, [${second}]`,
      {
        prepare(machine) {
          machine.write32(LAYOUT.PAGE_DIRECTORY, LAYOUT.PAGE_TABLE | 7, table | 7);
          machine.write32(LAYOUT.PAGE_TABLE, ...Array.from({ length: 1024 }, (_, page) => (page << 12) | 7));
          machine.write32(table, physical | 7, physical | 7);
        },
      },
    );
    expect([ebx, ecx, edx]).toEqual([0, 5, 6]);
  });
});

describe('instructions retired', () => {
  it('are the same in every engine when code changes itself', () => {
    const counts = SYSTEM_ENGINES.map((engine) => {
      const { processor, eax } = runSystem(
        engine,
        `xor eax, eax
        mov ecx, 10
        again: mov [operand + 1], ecx
        operand: add eax, 0x11223344
        nop
        nop
        dec ecx
        jnz again`,
      );
      expect(eax).toBe(55);
      return processor.retired;
    });
    expect(new Set(counts).size).toBe(1);
  });
});
