/**
 * A stage for hostile programs: protected mode with everything that an operating system would set up (descriptor tables,
 * task state segments, page tables, a handler for each vector), from where a program goes to the privilege level, code
 * width and gate type that it wants to abuse. All in the first 64 KiB, so that 16-bit code and gates reach it.
 */
import { assemble } from '../../src/isa/assemble.ts';
import type { BootImage } from '../../src/machine/boot.ts';
import { descriptor } from '../support/system-machine.ts';

/** Physical addresses. */
export const AT = {
  GDT: 0x1000,
  IDT: 0x2000,
  LDT: 0x2800,
  TSS: 0x3000,
  /** The task that task gates of the IDT lead to. */
  HANDLER_TSS: 0x3100,
  TSS16: 0x3200,
  /** A task for programs to fill or spoil. */
  SPARE_TSS: 0x3300,
  /** Directory and table of the identity map of 4 MiB; in IA-32e mode the upper two levels. */
  PAGE_DIRECTORY: 0x4000,
  PAGE_TABLE: 0x5000,
  PAGE_TABLE_64: 0x6000,
  DATA: 0x7000,
  /** A doubleword for each vector: how often its handler was entered. */
  ENTERED: 0x7800,
  /** Runs first: 32-bit code at level 0. */
  SETUP: 0xc000,
  PROGRAM: 0xd000,
  HANDLERS: 0xe000,
  TASKS: 0xe800,
  REACTION: 0xf000,
} as const;
/** What tables and data take, from 0: moved elsewhere as a whole by `PLACES`. */
const TABLES_END = 0x7000;
/** First byte above the stack of each privilege level. */
export const STACK_TOP = [0x9000, 0xa000, 0xb000, 0xc000] as const;
/** Most bytes of each part of the code. */
const PART_BYTES = 0x1000;
const HANDLER_STACK_TOP = 0x7800;
/** Pages at and above this address are not present. */
export const MAPPED_BYTES = 0x30_0000;

export type Level = 0 | 1 | 2 | 3;
const LEVELS = [0, 1, 2, 3] as const;

const table = (first: number) => (level: Level) => (first + 8 * level) | level;
export const SELECTOR = {
  CODE: 0x08,
  DATA: 0x10,
  code: table(0x20),
  data: table(0x40),
  code16: table(0x60),
  data16: table(0x80),
  /** Writable data that is not present. */
  absent: table(0xa0),
  CONFORMING: 0xc0,
  CONFORMING16: 0xc8,
  TSS: 0xd0,
  HANDLER_TSS: 0xd8,
  TSS16: 0xe0,
  SPARE_TSS: 0xe8,
  /** Too short to be a task. */
  SHORT_TSS: 0xf0,
  LDT: 0xf8,
  CODE64: 0x100,
  /** 16 bytes. */
  TSS64: 0x108,
  /** A task gate to the handler task. */
  TASK_GATE: 0x118,
  /** Free for programs. */
  FREE: 0x120,
} as const;

/** Where tables can be: what is added to their addresses. */
export const PLACES = {
  ram: 0,
  /** Text memory of the display adapter; the setup code copies the tables there. */
  video: 0xb_8000,
  /** The adapter's window, where no device answers. */
  hole: 0xa_0000,
  /** A copy of all in read-only memory. */
  rom: 0xe_0000,
  /** Above all memory. */
  nowhere: 0xd000_0000,
  /** So that the tables reach the end of the address space, or wrap. */
  top: 0xffff_f000 - AT.TSS,
} as const;
export type Place = keyof typeof PLACES;
export type Structure = 'gdt' | 'idt' | 'ldt' | 'tss' | 'stack' | 'directory' | 'pages';

export const GATES = {
  interrupt32: 0x8e,
  trap32: 0x8f,
  interrupt16: 0x86,
  trap16: 0x87,
  task: 0x85,
} as const;
export type GateKind = keyof typeof GATES;
/** Where a gate leads: to level 0, to a conforming segment, to the level of the program. */
export type GateTarget = 'inner' | 'conforming' | 'same';
/**
 * What handlers do: return to what happens again; do the same as the program; start the program anew with an empty
 * stack; nothing (HLT).
 */
export type Reaction = 'return' | 'again' | 'restart' | 'halt';
export type Width = 16 | 32 | 64 | 'v86';

export interface StageSpec {
  /** Assembly that is repeated for ever, at `level`. */
  readonly body: string;
  /** Before the body's loop, at `level`. Labels of both may be used by `setup`. */
  readonly before?: string;
  /** Runs at level 0 in 32-bit code before anything else, tables loaded (paging comes after it). */
  readonly setup?: string;
  readonly width?: Width;
  readonly level?: Level;
  /** EFLAGS of the program, besides bit 1. */
  readonly flags?: number;
  readonly paging?: boolean;
  readonly gate?: GateKind;
  readonly target?: GateTarget;
  readonly reaction?: Reaction;
  /** Gates of their own, by vector: all 8 bytes. */
  readonly gates?: ReadonlyMap<number, readonly [number, number]>;
  /** More assembly behind the body. */
  readonly data?: string;
  readonly places?: Partial<Record<Structure, Place>>;
  /** Entries of the page table that differ, by page. */
  readonly pages?: ReadonlyMap<number, number>;
}

export interface Stage {
  readonly boot: BootImage;
  readonly rom?: { readonly address: number; readonly bytes: Uint8Array };
}

const WITH_ERROR_CODE: readonly number[] = [8, 10, 11, 12, 13, 14, 17];
const VECTORS = 256;
/** Those beyond share a handler. */
const OWN_HANDLERS = 33;
const PRESENT_WRITABLE_USER = 7;

/** A gate as two doublewords; DPL 3, so that every software interrupt gets through. */
export function gateWords(kind: GateKind, selector: number, offset: number, dpl: Level = 3): [number, number] {
  const access = GATES[kind] | (dpl << 5);
  return [((selector << 16) | (offset & 0xffff)) >>> 0, ((offset & 0xffff_0000) | (access << 8)) >>> 0];
}

/** The memory and entry of a program on this stage. */
export function createStage(spec: StageSpec): Stage {
  const memory = new Uint8Array(0x1_0000);
  const code = (origin: number, text: string) => {
    const { bytes, labels } = assemble(text, { origin });
    if (bytes.length > PART_BYTES) throw new Error('this part of a hostile program does not fit on its stage');
    memory.set(bytes, origin);
    return labels;
  };
  const names = [...code(AT.PROGRAM, program(spec))].map(([name, address]) => `${name} equ ${address}\n`);
  code(AT.SETUP, `bits 32\n${names.join('')}${setup(spec)}`);
  code(AT.REACTION, reaction(spec));
  const tasks = code(AT.TASKS, TASK_CODE);
  const label = (name: string) => tasks.get(name)!;
  memory.set(handlers(handlerBits(spec)), AT.HANDLERS);
  const words = new Uint32Array(memory.buffer);
  const write = (address: number, ...values: number[]) => {
    words.set(
      values.map((value) => value >>> 0),
      address / 4,
    );
  };
  writeDescriptors(write, spec);
  writeTasks(write, spec, label);
  writeGates(write, spec);
  writePages(write, spec);
  const inRom = Object.values(spec.places ?? {}).includes('rom');
  return {
    boot: {
      pieces: [{ address: AT.GDT, bytes: memory.slice(AT.GDT) }],
      entry: {
        mode: 'protected',
        eip: AT.SETUP,
        codeSelector: SELECTOR.CODE,
        dataSelector: SELECTOR.DATA,
        gdt: { address: AT.GDT, limit: 0xfff },
      },
    },
    ...(inRom && { rom: { address: PLACES.rom, bytes: memory } }),
  };
}

type Write = (address: number, ...values: number[]) => void;
const placed = (spec: StageSpec, structure: Structure): number => PLACES[spec.places?.[structure] ?? 'ram'];
const is16 = (spec: StageSpec): boolean => spec.width === 16;
const gateOf = (spec: StageSpec): GateKind => spec.gate ?? 'interrupt32';
const gateIs16 = (spec: StageSpec): boolean => gateOf(spec).endsWith('16');

function writeDescriptors(write: Write, spec: StageSpec): void {
  const set = (selector: number, entry: Parameters<typeof descriptor>[0]) =>
    write(AT.GDT + (selector & ~7), ...descriptor(entry));
  const system = (selector: number, access: number, base: number, limit: number) =>
    set(selector, { access, base, limit, flags: 0 });
  set(SELECTOR.CODE, { access: 0x9a });
  set(SELECTOR.DATA, { access: 0x92 });
  for (const level of LEVELS) {
    const dpl = level << 5;
    set(SELECTOR.code(level), { access: 0x9a | dpl });
    set(SELECTOR.data(level), { access: 0x92 | dpl });
    set(SELECTOR.code16(level), { access: 0x9a | dpl, limit: 0xffff, flags: 0 });
    set(SELECTOR.data16(level), { access: 0x92 | dpl, limit: 0xffff, flags: 0 });
    set(SELECTOR.absent(level), { access: 0x12 | dpl });
  }
  set(SELECTOR.CONFORMING, { access: 0x9e });
  set(SELECTOR.CONFORMING16, { access: 0x9e, limit: 0xffff, flags: 0 });
  const tss = placed(spec, 'tss') + AT.TSS;
  system(SELECTOR.TSS, 0x89, tss >>> 0, 0x67);
  system(SELECTOR.HANDLER_TSS, 0xe9, AT.HANDLER_TSS, 0x67);
  system(SELECTOR.TSS16, 0xe1, AT.TSS16, 0x2b);
  system(SELECTOR.SPARE_TSS, 0xe9, AT.SPARE_TSS, 0x67);
  system(SELECTOR.SHORT_TSS, 0xe9, AT.SPARE_TSS, 0x20);
  system(SELECTOR.LDT, 0x82, (placed(spec, 'ldt') + AT.LDT) >>> 0, 0x7f);
  set(SELECTOR.CODE64, { access: 0x9a, flags: 0xa });
  system(SELECTOR.TSS64, 0x89, AT.TSS, 0x67);
  write(AT.GDT + SELECTOR.TASK_GATE, ...gateWords('task', SELECTOR.HANDLER_TSS, 0));
  const ldt = [descriptor({ access: 0xf2 }), descriptor({ access: 0x92 }), descriptor({ access: 0xfa })];
  write(AT.LDT, ...ldt.flat());
}

const EIP = 0x20;
const ESP = 0x38;
const SEGMENTS = 0x48;
const IO_MAP = 0x64;

function writeTasks(write: Write, spec: StageSpec, label: (name: string) => number): void {
  const stacks = LEVELS.slice(0, 3).flatMap((level) => [
    (placed(spec, 'stack') + STACK_TOP[level]) >>> 0,
    SELECTOR.data(level),
  ]);
  const directory = (placed(spec, 'directory') + AT.PAGE_DIRECTORY) >>> 0;
  const handlerTask = (tss: number, eip: number) => {
    write(tss + 4, ...stacks, directory);
    write(tss + EIP, eip, 2);
    write(tss + ESP, HANDLER_STACK_TOP);
    const { DATA } = SELECTOR;
    write(tss + SEGMENTS, DATA, SELECTOR.CODE, DATA, DATA, DATA, DATA);
    write(tss + IO_MAP, 0x68 << 16);
  };
  write(AT.TSS + 4, ...stacks, directory);
  // In IA-32e mode the stack pointers have eight bytes.
  if (spec.width === 64) write(AT.TSS + 4, STACK_TOP[0], 0, STACK_TOP[1], 0, STACK_TOP[2], 0);
  write(AT.TSS + IO_MAP, 0x68 << 16);
  handlerTask(AT.HANDLER_TSS, label('handler_task'));
  handlerTask(AT.SPARE_TSS, label('spare_task'));
  // 16-bit: link, SP0, SS0, …, then IP at 14, FLAGS, AX … DI, ES, CS, SS, DS, LDT.
  const words = new Array<number>(22).fill(0);
  [words[1], words[2]] = [STACK_TOP[0], SELECTOR.DATA];
  [words[7], words[8], words[13]] = [label('task16'), 2, HANDLER_STACK_TOP];
  [words[17], words[18], words[19], words[20]] = [SELECTOR.DATA, SELECTOR.code16(0), SELECTOR.data16(0), SELECTOR.DATA];
  write(AT.TSS16, ...Array.from({ length: 11 }, (_, index) => words[2 * index] | (words[2 * index + 1] << 16)));
}

function writeGates(write: Write, spec: StageSpec): void {
  const kind = gateOf(spec);
  for (let vector = 0; vector < VECTORS; vector++) {
    const offset = AT.HANDLERS + HANDLER_BYTES * Math.min(vector, OWN_HANDLERS - 1);
    const own = spec.gates?.get(vector);
    if (spec.width === 64) {
      // 16 bytes each; only the first 128 vectors have room.
      if (vector < 128)
        write(AT.IDT + 16 * vector, ...(own ?? gateWords('interrupt32', SELECTOR.CODE64, offset, 3)), 0, 0);
    } else {
      const words = kind === 'task' ? gateWords(kind, SELECTOR.HANDLER_TSS, 0) : gateWords(kind, target(spec), offset);
      write(AT.IDT + 8 * vector, ...(own ?? words));
    }
  }
}

/** Code segment of the handlers. */
function target(spec: StageSpec): number {
  const narrow = gateIs16(spec);
  const level = spec.level ?? 0;
  if (spec.target === 'conforming') return narrow ? SELECTOR.CONFORMING16 : SELECTOR.CONFORMING;
  if (spec.target === 'same') return narrow ? SELECTOR.code16(level) : SELECTOR.code(level);
  return narrow ? SELECTOR.code16(0) : SELECTOR.code(0);
}

function writePages(write: Write, spec: StageSpec): void {
  const user = PRESENT_WRITABLE_USER;
  if (spec.width === 64) {
    write(AT.PAGE_DIRECTORY, AT.PAGE_TABLE | user, 0);
    write(AT.PAGE_TABLE, AT.PAGE_TABLE_64 | user, 0);
    write(AT.PAGE_TABLE_64, 0x80 | user, 0);
    return;
  }
  write(AT.PAGE_DIRECTORY, ((placed(spec, 'pages') + AT.PAGE_TABLE) | user) >>> 0);
  for (let page = 0; page < 1024; page++) {
    const entry = page * 4096 < MAPPED_BYTES ? (page << 12) | user : 0;
    write(AT.PAGE_TABLE + 4 * page, spec.pages?.get(page) ?? entry);
  }
}

/** The program itself, in a loop. */
function program({ width = 32, before = '', body, data = '' }: StageSpec): string {
  return `
    bits ${width === 'v86' ? 16 : width}
    ${before}
    again:
    ${body}
    jmp again
    ${data}
  `;
}

/** At level 0, flat, 32 bits: tables, paging, and off to the program. */
function setup(spec: StageSpec): string {
  const { width = 32, level = 0, flags = 0 } = spec;
  const places = Object.values(spec.places ?? {});
  const copy = places.includes('video')
    ? `mov esi, 0\nmov edi, ${PLACES.video}\nmov ecx, ${TABLES_END / 4}\nrep movsd`
    : '';
  // 16-bit code has its own stack and data: those of its width.
  const own = is16(spec)
    ? { code: SELECTOR.code16(level), data: SELECTOR.data16(level), data3: SELECTOR.data16(3) }
    : { code: SELECTOR.code(level), data: SELECTOR.data(level), data3: SELECTOR.data(3) };
  const paging = `
    mov eax, ${(placed(spec, 'directory') + AT.PAGE_DIRECTORY) >>> 0}
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    jmp paged
    paged:`;
  const enter = `
    ${loadSegments(own.data3)}
    push dword ${own.data}
    push dword ${STACK_TOP[level]}
    push dword ${2 | flags}
    push dword ${own.code}
    push dword ${AT.PROGRAM}
    iretd`;
  const enter0 = `
    mov ax, ${own.data}
    mov ss, ax
    mov esp, ${STACK_TOP[0]}
    ${loadSegments(own.data3)}
    push dword ${2 | flags}
    push dword ${own.code}
    push dword ${AT.PROGRAM}
    iretd`;
  const enterVirtual8086 = `
    ${`push dword 0\n`.repeat(5)}
    push dword ${STACK_TOP[3]}
    push dword ${2 | 0x2_0000 | flags}
    push dword ${AT.SETUP >>> 4}
    push dword ${AT.PROGRAM - AT.SETUP}
    iretd`;
  const enter64 = `
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x100
    wrmsr
    mov eax, cr4
    or eax, 0x20
    mov cr4, eax
    ${paging}
    jmp dword ${SELECTOR.CODE64}:${AT.PROGRAM}`;
  const entries = { 16: level === 0 ? enter0 : enter, 32: level === 0 ? enter0 : enter, 64: enter64 };
  return `
    mov esp, ${STACK_TOP[0]}
    ${copy}
    lgdt [gdtr]
    mov ax, ${SELECTOR.LDT}
    lldt ax
    mov ax, ${SELECTOR.TSS}
    ltr ax
    ${spec.setup ?? ''}
    lidt [idtr]
    ${spec.paging && width !== 64 ? paging : ''}
    ${width === 'v86' ? enterVirtual8086 : entries[width]}
    align 4
    idtr: dw 0x7ff
      dd ${(placed(spec, 'idt') + AT.IDT) >>> 0}, 0
    align 4
    gdtr: dw 0xfff
      dd ${(placed(spec, 'gdt') + AT.GDT) >>> 0}, 0
  `;
}

const loadSegments = (selector: number): string =>
  `mov ax, ${selector}\n${['ds', 'es', 'fs', 'gs'].map((name) => `mov ${name}, ax`).join('\n')}`;

const SIZES = {
  16: { pop: 'add sp, 2', leave: 'iret', stack: 'sp', data: 'ss:' },
  32: { pop: 'add esp, 4', leave: 'iretd', stack: 'esp', data: 'ss:' },
  64: { pop: 'add rsp, 8', leave: 'iretq', stack: 'rsp', data: '' },
} as const;
type Bits = keyof typeof SIZES;
const handlerBits = (spec: StageSpec): Bits => (spec.width === 64 ? 64 : gateIs16(spec) ? 16 : 32);
const HANDLER_BYTES = 16;

/** `handlers` by code width: assembling takes long, and they are always the same. */
const assembled = new Map<Bits, Uint8Array>();

/** A handler of 16 bytes for each vector, counted; then the tasks, at `AT.TASKS`. */
function handlers(bits: Bits): Uint8Array {
  const known = assembled.get(bits);
  if (known) return known;
  const { pop, data } = SIZES[bits];
  const entries = Array.from({ length: OWN_HANDLERS }, (_, vector) => {
    const drop = WITH_ERROR_CODE.includes(vector) ? pop : '';
    return `align ${HANDLER_BYTES}\ninc dword [${data}${AT.ENTERED + 4 * vector}]\n${drop}\njmp ${AT.REACTION}`;
  });
  const { bytes } = assemble(`bits ${bits}\n${entries.join('\n')}`, { origin: AT.HANDLERS });
  assembled.set(bits, bytes);
  return bytes;
}

/** What handlers go on with: at `AT.REACTION`. */
function reaction(spec: StageSpec): string {
  const { reaction: kind = 'return', width = 32, level = 0 } = spec;
  const bits = handlerBits(spec);
  const { leave, stack } = SIZES[bits];
  const atOwnLevel = level === 0 || spec.target === 'same' || spec.target === 'conforming';
  const code = {
    return: leave,
    halt: `hlt\njmp ${AT.REACTION}`,
    // In the handlers' code width, whatever that of the program is.
    again: `${spec.body}\njmp ${AT.REACTION}`,
    restart:
      atOwnLevel && bits === width
        ? `mov ${stack}, ${STACK_TOP[level]}\njmp ${AT.PROGRAM}`
        : `mov ${stack}, ${STACK_TOP[0]}\n${spec.body}\njmp ${AT.REACTION}`,
  }[kind];
  return `bits ${bits}\n${code}`;
}

/** The tasks that gates lead to: 16 bytes each. */
const TASK_CODE = `
  bits 32
  handler_task:
    inc dword [ss:${AT.ENTERED + 4 * OWN_HANDLERS}]
    mov esp, ${HANDLER_STACK_TOP}
    iretd
    jmp handler_task
  spare_task:
    iretd
    jmp spare_task
  bits 16
  task16:
    iret
    jmp task16
`;
