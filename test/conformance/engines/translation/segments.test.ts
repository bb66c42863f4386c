/** Segments that change under hot code: limits, bases, stack sizes, null selectors. */
import { describe, expect, it } from 'vitest';
import { LAYOUT, SELECTOR } from '../../../support/system-machine.ts';
import { FREE, interruptEvery, loadSegment, setCodeDescriptor, setDescriptor } from './hot-program.ts';
import { runHot } from './run-hot.ts';

const SHARED = 0x30000;
const DATA = 0x50000;

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
      source: `${setCodeDescriptor(0, { base: SHARED, bits: 32 })}
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
      source: `${setCodeDescriptor(0, { base: SHARED, bits: 32 })}
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
      source: `${loadSegment(register, 0x1000)}
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
        leave
        ret
        done:`,
    });
    expect(ebx).toBe((1500 * 1501) / 2);
    expect(edx).toBe(750 * LAYOUT.KERNEL_STACK + 375 * 2 + 375 * (LAYOUT.KERNEL_STACK - 0x1000));
  });

  it.each([
    ['a limit', { limit: DATA + 1, access: 0x93, flags: 4 }],
    ['a read-only segment', { access: 0x91 }],
    ['an expand-down segment', { limit: DATA >>> 12, access: 0x97 }],
  ])('a store through %s faults, and the handler loads another', (_, spec) => {
    const { ebx, read32, label } = runHot({
      source: `${setDescriptor(0, spec)}
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
