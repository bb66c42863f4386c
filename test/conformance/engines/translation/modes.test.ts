/** Hot code under modes that change: code and stack sizes, real mode, segments, privilege, TS and AC. */
import { describe, expect, it } from 'vitest';
import { descriptor, LAYOUT, SELECTOR } from '../../../support/system-machine.ts';
import { descriptorSetup, enterUser, entryOf, interruptEvery, leaveUserTo, runHot } from './hot-program.ts';

const SHARED = 0x30000;
const DATA = 0x50000;
/** Below 64 KiB, where all modes reach it. */
const LOW = 0xd000;
const FREE = SELECTOR.FREE;

/** Writes descriptor number `slot` of the free ones. */
function setDescriptor(slot: number, spec: Parameters<typeof descriptor>[0]): string {
  const [low, high] = descriptor(spec);
  const at = LAYOUT.GDT + FREE + 8 * slot;
  return `mov dword [${at}], ${low}\nmov dword [${at + 4}], ${high}\n`;
}

const CODE_AT_SHARED = (slot: number, bits: 16 | 32, limit = 0xfff) =>
  setDescriptor(slot, { base: SHARED, limit, access: 0x9b, flags: bits === 32 ? 4 : 0 });

describe('the same bytes in 16- and in 32-bit code', () => {
  // 16: ADD BX, 1; JMP $. 32: ADD EBX, 00EB0001h. DEC CX or ECX; JNZ; INT 90h.
  const BYTES = [0x81, 0xc3, 0x01, 0x00, 0xeb, 0x00, 0x49, 0x75, 0xf7, 0xcd, 0x90];
  const expected = (wide: number, narrow: number) =>
    ((((wide * 0xeb_0000) % 2 ** 32) & 0xffff_0000) >>> 0) + ((wide + narrow) % 0x1_0000);

  it.each([
    ['in turn', 1],
    ['a hundred times each', 100],
  ])('%s', (_, together) => {
    const { ebx } = runHot({
      prepare: (machine) => machine.write(SHARED, BYTES),
      source: `${CODE_AT_SHARED(0, 32)}${CODE_AT_SHARED(1, 16)}
        mov ebp, 600
        again: xor edx, edx
        mov eax, ebp
        mov ecx, ${together}
        div ecx
        mov ecx, 8
        test eax, 1
        jz narrow
        jmp ${FREE}:0
        narrow: jmp ${FREE + 8}:0
        back: dec ebp
        jnz again`,
      handlers: `vector_144: mov esp, ${LAYOUT.KERNEL_STACK}\njmp back`,
    });
    let wide = 0;
    for (let round = 600; round > 0; round--) if (Math.floor(round / together) & 1) wide += 8;
    // No carry leaves BX: what is added is less than 64 Ki.
    expect(ebx).toBe(expected(wide, 600 * 8 - wide));
  });

  it('in virtual-8086 mode, in real mode and in protected mode', () => {
    const segments = Array.from({ length: 4 }, () => 'push dword 0x3000').join('\n');
    const { ebx, esi } = runHot({
      prepare: (machine) => {
        machine.write(SHARED, BYTES);
        // Vector 90h of real mode: back to protected mode.
        machine.write32(4 * 0x90, LOW);
        machine.place(
          LOW,
          `bits 16
          mov eax, cr0
          or al, 1
          mov cr0, eax
          jmp dword ${SELECTOR.CODE}:${machine.label('from_real')}
          align 32, 0x90
          enter_real:
          mov ax, ${SELECTOR.DATA16}
          mov ss, ax
          mov eax, cr0
          and al, 0xfe
          mov cr0, eax
          jmp 0x3000:0`,
        );
      },
      source: `${CODE_AT_SHARED(0, 32)}
        mov ebp, 450
        again: mov ecx, 10
        mov eax, ebp
        xor edx, edx
        mov esi, 3
        div esi
        cmp edx, 1
        je real
        ja protected
        ${segments}
        push dword ${LAYOUT.USER_STACK >> 4}
        push dword 0
        push dword 0x23002
        push dword 0x3000
        push dword 0
        iretd
        protected: jmp ${FREE}:0
        real: lidt [real_idtr]
        mov esp, 0x7f00
        jmp ${SELECTOR.CODE16}:${LOW + 32}
        from_real: lidt [program_idtr]
        inc edi
        back: mov esp, ${LAYOUT.KERNEL_STACK}
        mov ax, ${SELECTOR.DATA}
        mov ds, ax
        mov es, ax
        mov ss, ax
        dec ebp
        jnz again
        mov esi, edi`,
      handlers: `vector_144: jmp back
        real_idtr: dw 0x3ff
        dd 0`,
    });
    expect(ebx).toBe(expected(1500, 3000));
    expect(esi).toBe(150);
  });
});

describe('real mode', () => {
  it('entered in the middle of a page, and left, with loops before and after each step', () => {
    const loop = (name: string, register: string) => `mov ecx, 6\n${name}: inc ${register}\ndec ecx\njnz ${name}\n`;
    const { ebx, esi, edi, edx } = runHot({
      prepare: (machine) =>
        machine.place(
          LOW,
          `bits 16
          ${loop('protected16', 'ebx')}
          mov eax, cr0
          and al, 0xfe
          mov cr0, eax
          ${loop('still_protected_segments', 'esi')}
          jmp 0:real
          real: xor ax, ax
          mov ds, ax
          mov ss, ax
          mov sp, 0x7f00
          ${loop('real_loop', 'edi')}
          mov [${LOW + 0xf00}], edi
          push edi
          pop edx
          mov eax, cr0
          or al, 1
          mov cr0, eax
          ${loop('still_real_segments', 'edx')}
          jmp dword ${SELECTOR.CODE}:${machine.label('back')}`,
        ),
      source: `mov ebp, 400
        again: jmp ${SELECTOR.CODE16}:${LOW}
        back: mov ax, ${SELECTOR.DATA}
        mov ds, ax
        mov ss, ax
        mov esp, ${LAYOUT.KERNEL_STACK}
        dec ebp
        jnz again`,
    });
    expect([ebx, esi, edi, edx]).toEqual([2400, 2400, 2400, 2406]);
  });

  it('with a data segment beyond 64 KiB, and then within', () => {
    const { ebx, esi } = runHot({
      prepare: (machine) => {
        machine.write32(DATA, 3);
        machine.write32(4 * 13, LOW + 0x800);
        machine.place(
          LOW + 0x800,
          'bits 16\nadd sp, 6\ninc esi\njmp faulted\norg 0\nfaulted equ 0'
            .split('\norg')[0]
            .replace('faulted', `${LOW + 0x400}`),
        );
        machine.place(
          LOW,
          `bits 16
          mov eax, cr0
          and al, 0xfe
          mov cr0, eax
          jmp 0:real
          real: xor ax, ax
          mov ss, ax
          mov sp, 0x7f00
          mov edi, ${DATA}
          mov ecx, 5
          again: add ebx, [edi]
          dec ecx
          jnz again
          jmp ${LOW + 0x400}
          times ${LOW + 0x400} - $ nop
          mov eax, cr0
          or al, 1
          mov cr0, eax
          jmp dword ${SELECTOR.CODE}:${machine.label('back')}`,
        );
      },
      source: `mov ebp, 400
        again: lidt [real_idtr]
        mov ax, ${SELECTOR.DATA}
        test ebp, 3
        jnz flat
        mov ax, ${SELECTOR.DATA16}
        flat: mov ds, ax
        jmp ${SELECTOR.CODE16}:${LOW}
        back: mov ax, ${SELECTOR.DATA}
        mov ds, ax
        mov ss, ax
        mov esp, ${LAYOUT.KERNEL_STACK}
        dec ebp
        jnz again`,
      handlers: 'real_idtr: dw 0x3ff\ndd 0',
    });
    expect([ebx, esi]).toEqual([300 * 5 * 3, 100]);
  });
});

describe('a code segment', () => {
  // The loop of 32-bit code at SHARED: 16 times INC EBX, and a way out behind them.
  const ROUTINE = `${'inc ebx\n'.repeat(16)}int 0x90`;

  it.each([
    ['in the middle of a block', 7],
    ['at the first byte', 0],
    ['between the two bytes of the last instruction', 17],
    ['nowhere', 18],
  ])('whose limit falls %s in every other round', (_, length) => {
    const { ebx, esi, read32, label } = runHot({
      prepare: (machine) => machine.place(SHARED, ROUTINE),
      source: `${CODE_AT_SHARED(0, 32)}
        mov ebp, 800
        again: mov word [${LAYOUT.GDT + FREE}], 0xfff
        test ebp, 1
        jz whole
        mov word [${LAYOUT.GDT + FREE}], ${length === 0 ? 0 : length - 1}
        whole: jmp ${FREE}:${length === 0 ? 1 : 0}
        back: inc esi
        dec ebp
        jnz again`,
      handlers: `vector_144: mov esp, ${LAYOUT.KERNEL_STACK}
        jmp back
        vector_13: mov eax, [esp + 4]
        add [places], eax
        inc dword [faults]
        mov esp, ${LAYOUT.KERNEL_STACK}
        jmp back
        align 4
        places: dd 0
        faults: dd 0`,
    });
    expect(esi).toBe(800);
    const incs = length === 0 ? 15 : 16;
    const cut = length >= 18 ? 16 : length === 0 ? 0 : Math.min(length, 16);
    expect(ebx).toBe(400 * (incs + cut));
    expect(read32(label('faults'))).toBe(length >= 18 ? 0 : 400);
    // A far jump to where nothing is faults before it is taken, in the old segment.
    if (length !== 0 && length < 18) expect(read32(label('places'))).toBe(400 * cut);
  });

  it('with other bases for the same loop, so that the same offsets are other code', () => {
    const { ebx, esi } = runHot({
      prepare: (machine) => {
        machine.place(SHARED, 'inc ebx\ninc ebx\nint 0x90');
        machine.place(SHARED + 0x1000, 'inc esi\nnop\nint 0x90');
      },
      source: `${CODE_AT_SHARED(0, 32)}
        mov ebp, 1000
        again: xor byte [${LAYOUT.GDT + FREE + 3}], 0x10 ; base 30000h or 31000h
        jmp ${FREE}:0
        back: dec ebp
        jnz again`,
      handlers: `vector_144: mov esp, ${LAYOUT.KERNEL_STACK}\njmp back`,
    });
    expect([ebx, esi]).toEqual([1000, 500]);
  });
});

describe('data and stack segments with bases', () => {
  it.each([
    ['DS in turn', 'ds', 'test ebp, 1\njz other'],
    ['DS once', 'ds', 'cmp ebp, 700\nja other'],
    ['ES in turn', 'es', 'test ebp, 1\njz other'],
    ['FS in turn', 'fs', 'test ebp, 1\njz other'],
  ])('%s', (_, register, choose) => {
    const { ebx } = runHot({
      prepare: (machine) => {
        machine.write32(DATA, 1);
        machine.write32(DATA + 0x1000, 100);
      },
      source: `${descriptorSetup(register, 0x1000)}
        mov ebp, 2000
        again: mov eax, ${SELECTOR.DATA}
        ${choose}
        mov eax, ${FREE}
        other: mov ${register}, ax
        add ebx, [${register}:${DATA}]
        mov edi, ${DATA}
        ${register === 'es' ? 'mov eax, 7\nscasd' : `mov esi, ${DATA}\n${register === 'ds' ? '' : register} lodsd`}
        add ebx, eax
        dec ebp
        jnz again
        mov ax, ${SELECTOR.DATA}
        mov ds, ax`,
    });
    const based = _.endsWith('once') ? 700 : 1000;
    const each = register === 'es' ? [1 + 7, 100 + 7] : [2, 200];
    expect(ebx).toBe(based * each[1] + (2000 - based) * each[0]);
  });

  it('SS in turn, with a big and with a small stack whose pointer wraps', () => {
    const { ebx, edx } = runHot({
      source: `${setDescriptor(0, { base: 0x1_0000 * 5, limit: 0xffff, access: 0x93, flags: 0 })}
        ${setDescriptor(1, { base: 0x1000, access: 0x93 })}
        mov ebp, 1500
        again: mov eax, ${SELECTOR.DATA}
        mov esp, ${LAYOUT.KERNEL_STACK}
        test ebp, 1
        jz chosen
        mov eax, ${FREE}
        mov esp, 0x77770002 ; the upper half is not used
        test ebp, 2
        jz chosen
        mov eax, ${FREE + 8}
        mov esp, ${LAYOUT.KERNEL_STACK - 0x1000}
        chosen: mov ss, ax
        push ax
        push ebp
        call routine
        pop ecx
        pop ax
        add ebx, ecx
        movzx eax, sp
        add edx, eax
        dec ebp
        jnz again
        mov ax, ${SELECTOR.DATA}
        mov ss, ax
        mov esp, ${LAYOUT.KERNEL_STACK}
        jmp done
        routine: pushad
        popad
        enter 8, 0
        mov [ebp - 4], eax
        leave
        ret
        done:`,
    });
    expect(ebx).toBe((1500 * 1501) / 2);
    expect(edx).toBe(750 * LAYOUT.KERNEL_STACK + 375 * 2 + 375 * (LAYOUT.KERNEL_STACK - 0x1000));
  });

  it.each([
    ['a limit', { limit: DATA + 1, access: 0x93, flags: 4 }, 0],
    ['a read-only segment', { access: 0x91 }, 0],
    ['an expand-down segment', { limit: DATA >>> 12, access: 0x97 }, 0],
  ])('a store through %s faults, and the handler loads another', (_, spec, base) => {
    const { ebx, read32, label } = runHot({
      source: `${setDescriptor(0, { ...spec, base })}
        mov ebp, 1000
        again: test ebp, 3
        jnz usual
        mov eax, ${FREE}
        mov ds, ax
        usual: inc dword [${DATA}]
        mov [${DATA + 4}], ebp
        dec ebp
        jnz again
        mov ebx, [${DATA}]`,
      handlers: `vector_13: push eax
        mov eax, ${SELECTOR.DATA}
        mov ds, ax
        inc dword [faults]
        pop eax
        add esp, 4
        iretd
        align 4
        faults: dd 0`,
    });
    expect([ebx, read32(label('faults'))]).toEqual([1000, 250]);
  });

  it('a null selector in DS, set by an interrupt in a hot loop', () => {
    const { ebx, read32, label } = runHot({
      prepare: (machine) => interruptEvery(machine, 173),
      source: `mov ebp, 2000
        sti
        again: inc dword [${DATA}]
        dec ebp
        jnz again
        cli
        mov ax, ${SELECTOR.DATA}
        mov ds, ax
        mov ebx, [${DATA}]`,
      handlers: `vector_9: push eax
        xor eax, eax
        mov ds, ax
        inc dword [ss:taken]
        pop eax
        iretd
        vector_13: push eax
        mov eax, ${SELECTOR.DATA}
        mov ds, ax
        inc dword [faults]
        pop eax
        add esp, 4
        iretd
        align 4
        faults: dd 0
        taken: dd 0`,
    });
    expect(ebx).toBe(2000);
    expect(read32(label('taken'))).toBeGreaterThan(30);
    expect(read32(label('taken')) - read32(label('faults'))).toBeLessThan(3);
  });
});

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
    expect([ebx, read32(label('faults'))]).toEqual([1500, 375]);
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

it('A20 is closed and opened under a hot loop', () => {
  const { ebx } = runHot({
    prepare: (machine) => {
      machine.write32(0x50000, 1);
      machine.write32(0x15_0000, 100);
    },
    writePort: ({ processor }, _, value) => processor.a20.set((value & 1) as 0 | 1),
    source: `mov ebp, 2000
      again: test ebp, 7
      jnz usual
      mov eax, ebp
      shr eax, 3
      out 0x92, al
      usual: add ebx, [0x150000]
      dec ebp
      jnz again
      mov al, 1
      out 0x92, al`,
  });
  let [sum, open] = [0, 1];
  for (let round = 2000; round > 0; round--) {
    if ((round & 7) === 0) open = (round >>> 3) & 1;
    sum += open ? 100 : 1;
  }
  expect(ebx).toBe(sum);
});
