/** The same hot code in 16- and 32-bit segments, in real and virtual-8086 mode, and with A20 closed. */
import { describe, expect, it } from 'vitest';
import { LAYOUT, SELECTOR } from '../../../support/system-machine.ts';
import { FREE, setCodeDescriptor, setDescriptor } from './hot-program.ts';
import { runHot } from './run-hot.ts';

const SHARED = 0x30000;
const DATA = 0x50000;
/** Below 64 KiB, where all modes reach it. */
const LOW = 0xd000;

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
      source: `${setCodeDescriptor(0, { base: SHARED, bits: 32 })}${setCodeDescriptor(1, { base: SHARED, bits: 16 })}
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
      source: `${setCodeDescriptor(0, { base: SHARED, bits: 32 })}
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
        machine.place(LOW + 0x800, `bits 16\nadd sp, 6\ninc esi\njmp ${LOW + 0x400}`);
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

it('16-bit code whose jumps wrap at 64 KiB, and so do its operands', () => {
  const { ebx, esi, edx } = runHot({
    prepare: (machine) => {
      // INC BX; DEC BP; JZ 6; JMP FFF0h; INT 90h.
      machine.write(SHARED, [0x43, 0x4d, 0x74, 0x02, 0xeb, 0xea, 0xcd, 0x90]);
      // INC SI; ADD DL, [FS:BX + 2]; JMP 0.
      machine.write(SHARED + 0xfff0, [0x46, 0x64, 0x02, 0x57, 0x02, 0xeb, 0x09]);
      machine.write32(DATA, 0, 0);
      machine.write(DATA + 1, [3]);
    },
    source: `${setDescriptor(0, { base: SHARED, limit: 0xffff, access: 0x9b, flags: 0 })}
      ${setDescriptor(1, { base: DATA, limit: 0xffff, access: 0x93, flags: 0 })}
      mov ax, ${FREE + 8}
      mov fs, ax
      mov ebp, 1500
      mov ebx, 0xffff - 1000
      jmp ${FREE}:0
      back: nop`,
    handlers: `vector_144: mov esp, ${LAYOUT.KERNEL_STACK}\njmp back`,
  });
  // BX + 2 is 1 when BX is FFFFh.
  expect([ebx, esi, edx]).toEqual([(0xffff - 1000 + 1500) & 0xffff, 1499, 3]);
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
