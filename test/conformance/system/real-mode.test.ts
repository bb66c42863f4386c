import { describe, expect, it } from 'vitest';
import { EFLAGS } from '../../../src/cpu/flags.ts';
import { label, setSegment } from '../../support/system-faults.ts';
import {
  LAYOUT,
  runSystem,
  SELECTOR,
  SYSTEM_ENGINES,
  type SystemMachine,
  type SystemOptions,
} from '../../support/system-machine.ts';

/** The program lies in segment 1000h; a 16-bit code segment covers it for the way to real-address mode. */
const CODE16 = 0x80;
const PROGRAM_SEGMENT = LAYOUT.PROGRAM >> 4;
const SP = 0x7000;
/** What handlers note: [7000h] doublewords. */
const NOTES = 0x7000;

interface RealOptions {
  /** 32-bit code before the switch. */
  readonly before?: string;
  /** Real-mode vectors: label of the handler, in the program. */
  readonly vectors?: Readonly<Record<number, string>>;
  readonly options?: SystemOptions;
}

/**
 * Runs 16-bit code in real-address mode, as SDM Vol. 3A, "Switching Back to Real-Address Mode", has it: with DS = ES = 0,
 * SS = 0, SP = 7000h. It goes on at `back16` when it is done.
 */
function runReal(
  engine: (typeof SYSTEM_ENGINES)[number],
  code: string,
  { before = '', vectors = {}, options = {} }: RealOptions = {},
) {
  const here = (name: string) => `${name} - ${LAYOUT.PROGRAM}`;
  const source = `
    lidt [real_idtr]
    ${before}
    jmp ${CODE16}:${here('to_real')}
  real_idtr:
    dw 0x3ff
    dd 0
  bits 16
  to_real:
    mov ax, ${SELECTOR.DATA16}
    mov ss, ax
    mov ds, ax
    mov es, ax
    mov eax, cr0
    and al, 0xfe
    mov cr0, eax
    jmp ${PROGRAM_SEGMENT}:${here('in_real')}
  in_real:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, ${SP}
    ${code}
  back16:
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword ${SELECTOR.CODE}:back
  bits 32
  back:
    mov ax, ${SELECTOR.DATA}
    mov ds, ax
    mov ss, ax
    mov esp, ${LAYOUT.KERNEL_STACK}
  `;
  return runSystem(engine, source, {
    ...options,
    prepare(machine) {
      setSegment(machine, CODE16, { base: LAYOUT.PROGRAM, limit: 0xffff, access: 0x9a, flags: 0 });
      for (const [vector, name] of Object.entries(vectors)) {
        machine.memory.write(4 * Number(vector), label(machine, name) - LAYOUT.PROGRAM, 2);
        machine.memory.write(4 * Number(vector) + 2, PROGRAM_SEGMENT, 2);
      }
      options.prepare?.(machine);
    },
  });
}
const note = (machine: SystemMachine, index = 0) => machine.read32(NOTES + 4 * index);
const offsetOf = (machine: SystemMachine, name: string) => label(machine, name) - LAYOUT.PROGRAM;
/** A handler that notes IP, CS, FLAGS and SP, then goes on at `on`. */
const noteFrame = (name: string, on: string) =>
  `
  ${name}:
    pop word [cs:frame]
    pop word [cs:frame+2]
    pop word [cs:frame+4]
    mov eax, [cs:frame]
    mov [${NOTES}], eax
    movzx eax, word [cs:frame+4]
    mov [${NOTES + 4}], eax
    mov [${NOTES + 8}], sp
    pushf
    pop word [${NOTES + 12}]
    jmp ${on}
  frame: dw 0, 0, 0
`.replaceAll('cs:frame', `cs:frame - ${LAYOUT.PROGRAM}`);

describe.each(SYSTEM_ENGINES)('%s: real-address mode (SDM Vol. 3B, "8086 Emulation")', (engine) => {
  it('segment times 16 plus offset', () => {
    const result = runReal(engine, 'mov ax, 0x6000\nmov fs, ax\nmov dword [fs:0x10], 0x1234\nmov dword [0x8], 0');
    expect(result.read32(0x6_0010)).toBe(0x1234);
  });

  it('addresses above FFFF0h reach beyond 1 MiB', () => {
    const result = runReal(engine, 'mov ax, 0xffff\nmov fs, ax\nmov dword [fs:0x8010], 0x77');
    expect(result.read32(0x10_8000)).toBe(0x77);
  });

  it('CLI and privileged instructions work: CPL is 0', () => {
    const result = runReal(engine, 'cli\nmov eax, cr0\nclts\nmov ebx, eax');
    expect(result.ebx & 1).toBe(0);
  });

  it('code may write to its own segment', () => {
    const result = runReal(
      engine,
      `mov dword [cs:word_there - ${LAYOUT.PROGRAM}], 0x5566\njmp past\nalign 4\nword_there: dd 0\npast:`,
    );
    expect(result.read32(label(result, 'word_there'))).toBe(0x5566);
  });

  it('a limit loaded in protected mode stays: all 4 GiB can be reached', () => {
    const result = runReal(engine, 'mov ax, 0x20\nmov fs, ax\nmov ebx, 0x300000\nmov dword [fs:ebx], 0x99', {
      before: `mov ax, ${SELECTOR.DATA}\nmov fs, ax`,
    });
    expect(result.read32(0x30_0200)).toBe(0x99);
  });
});

describe.each(SYSTEM_ENGINES)('%s: interrupts and exceptions in real-address mode', (engine) => {
  it('INT n pushes FLAGS, CS, IP and clears IF and TF; IRET restores them', () => {
    const result = runReal(
      engine,
      `sti\nint 0x21\nafter: pushf\npop bx\njmp back16\nhandler: mov si, sp\nmov ax, [ss:si]\nmov [${NOTES}], ax\nmov ax, [ss:si+4]\nmov [${NOTES + 4}], ax\npushf\npop word [${NOTES + 8}]\niret`,
      {
        vectors: { 33: 'handler' },
      },
    );
    expect(note(result, 0) & 0xffff).toBe(offsetOf(result, 'after'));
    expect(note(result, 1) & EFLAGS.IF).toBe(EFLAGS.IF);
    expect(note(result, 2) & EFLAGS.IF).toBe(0);
    expect(result.ebx & EFLAGS.IF).toBe(EFLAGS.IF);
    expect(result.esi & 0xffff).toBe(SP - 6);
  });

  it.each([
    ['#DE', 0, 'xor cx, cx', 'div cx'],
    ['#BR', 5, `mov dword [${NOTES + 0x20}], 0x00010000\nmov ax, 5`, `bound ax, [${NOTES + 0x20}]`],
    ['#UD', 6, '', 'ud2'],
    ['#UD for an instruction of protected mode', 6, '', 'lldt ax'],
    ['#NM', 7, 'mov eax, cr0\nor al, 8\nmov cr0, eax', 'fnop'],
    ['#GP for an offset beyond FFFFh', 13, 'mov ebx, 0x10000', 'mov al, [ebx]'],
    ['#GP for a word at FFFFh', 13, 'mov bx, 0xffff', 'mov ax, [bx]'],
    ['#SS for a word at FFFFh of the stack', 12, 'mov bp, 0xffff', 'mov ax, [bp]'],
    ['#GP for MOV to a reserved bit of CR4', 13, 'mov eax, 0x80000000', 'mov cr4, eax'],
  ])('%s: the vector, the address of the instruction, no error code', (_, vector, before, faulting) => {
    const result = runReal(
      engine,
      `${before}\nfaulting: ${faulting}\njmp back16\n${noteFrame('handler', 'clean')}\nclean: clts`,
      {
        vectors: { [vector]: 'handler' },
      },
    );
    expect(note(result, 0)).toBe(((PROGRAM_SEGMENT << 16) | offsetOf(result, 'faulting')) >>> 0);
    expect(note(result, 2) & 0xffff).toBe(SP);
  });

  it('INT3 and INTO return to the next instruction', () => {
    const result = runReal(engine, `int3\nnext: jmp back16\n${noteFrame('handler', 'back16')}`, {
      vectors: { 3: 'handler' },
    });
    expect(note(result, 0) & 0xffff).toBe(offsetOf(result, 'next'));
  });

  it('a vector beyond the limit of the IDT: #GP; if that has none either, shutdown', () => {
    const result = runReal(
      engine,
      `lidt [cs:small - ${LAYOUT.PROGRAM}]\nfaulting: int 0x21\njmp back16\nsmall: dw 0x7f\ndd 0\n${noteFrame('handler', 'back16')}`,
      {
        vectors: { 13: 'handler' },
      },
    );
    expect(note(result, 0) & 0xffff).toBe(offsetOf(result, 'faulting'));
    expect(() => runReal(engine, `lidt [cs:small - ${LAYOUT.PROGRAM}]\nint 0x21\nsmall: dw 3\ndd 0`)).toThrow(
      /shutdown/,
    );
  });

  it('single step works with TF, and its handler runs without it', () => {
    const result = runReal(
      engine,
      `pushf\npop ax\nor ah, 1\npush ax\npopf\nnop\nnext: nop\njmp back16\n${noteFrame('handler', 'back16')}`,
      {
        vectors: { 1: 'handler' },
      },
    );
    expect(note(result, 0) & 0xffff).toBe(offsetOf(result, 'next'));
    expect(note(result, 1) & EFLAGS.TF).toBe(EFLAGS.TF);
    expect(note(result, 3) & EFLAGS.TF).toBe(0);
  });
});

describe.each(SYSTEM_ENGINES)('%s: after RESET', (engine) => {
  it('the program of the ROM runs at FFFFFFF0h', () => {
    const result = runSystem(engine, 'mov ebx, 1');
    expect(result.ebx).toBe(1);
  });
});
