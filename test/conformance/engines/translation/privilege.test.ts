/** Hot code that goes from one privilege level to another, and x87 instructions that trap. */
import { describe, expect, it } from 'vitest';
import { LAYOUT, SELECTOR } from '../../../support/system-machine.ts';
import { enterUser, entryOf, FREE, interruptEvery, leaveUserTo } from './hot-program.ts';
import { runHot } from './run-hot.ts';

const DATA = 0x50000;

describe('privilege', () => {
  it('the same routine at CPL 0 and at CPL 3, on a page of the supervisor', () => {
    const { ebx, read32, label } = runHot({
      paging: true,
      prepare: (machine) => machine.write32(DATA, 1),
      source: `mov dword [${entryOf(DATA)}], ${DATA | 3}
        mov ebp, 700
        again: call routine
        ${enterUser('user')}
        user: call routine
        int 0x80
        back: dec ebp
        jnz again
        jmp done
        routine: add ebx, [${DATA}]
        after_load: inc ebx
        ret
        done:`,
      handlers: `${leaveUserTo('back')}
        vector_14: add esp, 4
        mov dword [esp], after_load
        inc dword [faults]
        iretd
        align 4
        faults: dd 0`,
    });
    expect([ebx, read32(label('faults'))]).toEqual([700 * 3, 700]);
  });

  it.each(['CLI', 'IN', 'HLT', 'MOV from CR0'])('%s in a hot user loop faults each time, and CPL 0 does it', (name) => {
    const code = { CLI: 'cli', IN: 'in al, 0x60', HLT: 'hlt', 'MOV from CR0': 'mov eax, cr0' }[name]!;
    const { ebx, read32, label } = runHot({
      source: `mov ebp, 700
        ${enterUser('user')}
        user: again: inc ebx
        privileged: ${code}
        behind: dec ebp
        jnz again
        int 0x80
        done: nop`.replace('user: again:', 'user:\nagain:'),
      handlers: `${leaveUserTo('done')}
        vector_13: add esp, 4
        mov dword [esp], behind
        inc dword [faults]
        iretd
        align 4
        faults: dd 0`,
    });
    expect([ebx, read32(label('faults'))]).toEqual([700, 700]);
  });

  it('system calls by a call gate and by an interrupt, from a hot loop', () => {
    const gate = LAYOUT.GDT + FREE;
    const { ebx, esi } = runHot({
      source: `mov eax, through_gate
        mov [${gate}], ax
        mov word [${gate + 2}], ${SELECTOR.CODE}
        mov word [${gate + 4}], 0xec00
        shr eax, 16
        mov [${gate + 6}], ax
        mov ebp, 800
        ${enterUser('user')}
        user:
        again: call ${FREE + 3}:0
        int 0x81
        inc ebx
        dec ebp
        jnz again
        int 0x80
        done: nop`,
      handlers: `${leaveUserTo('done')}
        through_gate: inc esi
        retf
        vector_129: inc esi
        iretd`,
    });
    expect([ebx, esi]).toEqual([800, 1600]);
  });

  it('unaligned accesses under AC, which the handler turns off', () => {
    const { ebx, read32, label } = runHot({
      source: `mov eax, cr0
        or eax, 0x40000
        mov cr0, eax
        mov ebp, 1000
        ${enterUser('user')}
        user:
        again: test ebp, 3
        jnz unchecked
        pushfd
        or dword [esp], 0x40000
        popfd
        unchecked: mov eax, [${DATA + 1}]
        inc ebx
        mov [${DATA + 6}], eax
        dec ebp
        jnz again
        int 0x80
        done: nop`,
      handlers: `${leaveUserTo('done')}
        vector_17: add esp, 4
        and dword [esp + 8], ~0x40000
        inc dword [faults]
        iretd
        align 4
        faults: dd 0`,
    });
    expect([ebx, read32(label('faults'))]).toEqual([1000, 250]);
  });
});

describe('the x87 in hot loops', () => {
  const SUM = `fld qword [total]\nfadd qword [step]\nfstp qword [total]`;
  const NUMBERS = 'align 8\ntotal: dq 0.0\nstep: dq 0.5\nresult: dd 0\nfaults: dd 0\n';

  it.each([
    ['TS, set in the loop', 'test ebp, 7\njnz usual\nmov eax, cr0\nor eax, 8\nmov cr0, eax\nusual:', 'clts', 250],
    [
      'EM, set in the loop',
      'test ebp, 7\njnz usual\nmov eax, cr0\nor eax, 4\nmov cr0, eax\nusual:',
      'mov eax, cr0\nand eax, ~4\nmov cr0, eax',
      250,
    ],
  ])('%s: #NM, and it goes on', (_, code, repair, times) => {
    const { ebx, read32, label } = runHot({
      source: `fninit
        mov ebp, 2000
        again: ${code}
        ${SUM}
        dec ebp
        jnz again
        fld qword [total]
        fistp dword [result]
        mov ebx, [result]`,
      handlers: `${NUMBERS}
        vector_7: push eax
        ${repair}
        inc dword [faults]
        pop eax
        iretd`,
    });
    expect([ebx, read32(label('faults'))]).toEqual([1000, times]);
  });

  it('TS, set by an interrupt, as who switches tasks does', () => {
    const { ebx, read32, label } = runHot({
      prepare: (machine) => interruptEvery(machine, 211),
      source: `fninit
        mov ebp, 2500
        ${enterUser('user', 0x202)}
        user:
        again: ${SUM}
        inc ecx
        dec ebp
        jnz again
        fld qword [total]
        fistp dword [result]
        mov ebx, [result]
        int 0x80
        done: nop`,
      handlers: `${leaveUserTo('done')}
        ${NUMBERS}
        vector_7: clts
        inc dword [faults]
        iretd
        vector_9: push eax
        mov eax, cr0
        or eax, 8
        mov cr0, eax
        pop eax
        iretd`,
    });
    expect(ebx).toBe(1250);
    expect(read32(label('faults'))).toBeGreaterThan(40);
  });

  it('an exception that is unmasked in some rounds: #MF at the next instruction', () => {
    const { ebx, read32, label } = runHot({
      source: `fninit
        mov eax, cr0
        or eax, 0x20
        mov cr0, eax
        mov ebp, 1500
        again: mov edx, ebp
        and edx, 3
        setz dl
        fldcw [words + edx * 2]
        fld1
        fldz
        fdivp st1, st0
        inc ebx
        nop
        fstp st0
        dec ebp
        jnz again
        fninit`,
      handlers: `words: dw 0x37f, 0x37b
        align 4
        faults: dd 0
        vector_16: fnclex
        inc dword [faults]
        iretd`,
    });
    // Once at the second instruction behind the division, and once before: ZE is still set when it is unmasked.
    expect([ebx, read32(label('faults'))]).toEqual([1500, 375 + 374]);
  });

  it('the stack pointer of the x87 differs from round to round', () => {
    const { ebx } = runHot({
      source: `fninit
        mov ebp, 1600
        again: fld1
        test ebp, 3
        jnz odd
        fincstp
        ffree st7
        odd: fadd st0, st0
        fistp dword [result]
        add ebx, [result]
        dec ebp
        jnz again`,
      handlers: NUMBERS,
    });
    // After FINCSTP, what was pushed is at ST7, and gone; ST0 is empty and gives the integer indefinite.
    expect(ebx).toBe((1200 * 2 + 400 * 0x8000_0000) % 2 ** 32);
  });
});
