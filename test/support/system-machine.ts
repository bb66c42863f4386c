/**
 * System-level tests as assembly: a bare machine (processor, memory, a ROM, recorded ports) that comes out of reset, goes
 * to flat 32-bit protected mode and runs the test's program. Every exception is logged by handlers in the guest.
 *
 * Two directives are added to the assembler's language:
 * - `@try X`: executes X at CPL 0; if it raises an exception, that is logged and the program goes on with the next line;
 * - `@user X`: the same at CPL 3 (DS and ES flat, EFLAGS from `USER_FLAGS`). X must not change ESP or transfer control.
 * X may be several instructions, separated by `/`. An exception elsewhere stops the program.
 */
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import { type CodeSpace, createCodeSpace } from '../../src/engine/code-space.ts';
import { type EngineName, Processor } from '../../src/engine/processor.ts';
import { assemble } from '../../src/isa/assemble.ts';
import { GuestMemory } from '../../src/memory/guest-memory.ts';
import { Pool } from '../../src/memory/pool.ts';
import { sharedCode } from './shared-code.ts';

export const SYSTEM_ENGINES: readonly EngineName[] = ['reference', 'interpreter', 'jit'];

/** Where the machine's own things are; tests have the rest, code from PROGRAM on. */
export const LAYOUT = {
  GDT: 0x1000,
  IDT: 0x2000,
  TSS: 0x3000,
  /** Doublewords: where to go on after an exception (0: stop), with which ESP, EFLAGS of user code. */
  RESUME: 0x3800,
  RESUME_ESP: 0x3804,
  USER_FLAGS: 0x3808,
  LOG_NEXT: 0x380c,
  LOG: 0x4000,
  KERNEL_STACK: 0x8000,
  /** Stack of exceptions from CPL 3. */
  EXCEPTION_STACK: 0x9000,
  USER_STACK: 0xa000,
  HANDLERS: 0xc000,
  PROGRAM: 0x10000,
  /** Page directory and page tables of `identityMap`. */
  PAGE_DIRECTORY: 0x80000,
  PAGE_TABLE: 0x81000,
} as const;

/** Selectors of the GDT; more may be added from FREE on. */
export const SELECTOR = {
  CODE: 0x08,
  DATA: 0x10,
  USER_CODE: 0x1b,
  USER_DATA: 0x23,
  TSS: 0x28,
  CODE16: 0x30,
  DATA16: 0x38,
  FREE: 0x40,
} as const;

const TSS_LIMIT = 0x67;
const LOG_ENTRY = 36;
const RETURN_VECTOR = 0x80;
const VECTORS_WITH_ERROR_CODE = [8, 10, 11, 12, 13, 14, 17];

export interface LoggedException {
  readonly vector: number;
  readonly errorCode: number;
  readonly eip: number;
  readonly cs: number;
  readonly eflags: number;
  readonly cr2: number;
  readonly dr6: number;
  /** ESP of the interrupted code, at CPL 0. */
  readonly esp: number;
  /** The saved EIP is that of the first instruction of the `@try` or `@user` line. */
  readonly atStart: boolean;
}

export interface SystemOptions {
  /** CPU model, default `i686`. */
  readonly model?: string;
  /** Bytes of RAM, default 8 MiB. */
  readonly memory?: number;
  /** Instructions after which the program counts as hanging. */
  readonly budget?: number;
  /** Called before the processor starts, with everything in memory. */
  readonly prepare?: (machine: SystemMachine) => void;
  /** What IN reads; all ones by default. */
  readonly readPort?: (port: number, size: number) => number;
  /** Called at OUT, besides its being recorded: raises lines of the processor, … */
  readonly writePort?: (machine: SystemMachine, port: number, value: number) => void;
  /** Vector that the interrupt controller gives; FFh by default. */
  readonly acknowledge?: (machine: SystemMachine) => number;
}

export interface SystemMachine {
  readonly memory: GuestMemory;
  readonly processor: Processor;
  readonly labels: ReadonlyMap<string, number>;
  read32(address: number): number;
  write32(address: number, ...values: number[]): void;
}

export interface SystemResult extends SystemMachine {
  readonly exceptions: readonly LoggedException[];
  readonly outputs: readonly { port: number; value: number; size: number }[];
  /** General registers at the end. */
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
  readonly esi: number;
  readonly edi: number;
}

/** Compiling the interpreter takes a while: the tests of a file share it, and with it a pool. */
interface Shared {
  readonly code: CodeSpace;
  readonly rom: Uint8Array;
  readonly handlers: Uint8Array;
}
const shared: { parts?: Shared } = {};
const sharedParts = (): Shared =>
  (shared.parts ??= { code: createCodeSpace(Pool.create(), sharedCode()), rom: bootRom(), handlers: handlers() });

/** Runs a program until it halts. @throws Error if it does not, or stops on an exception that it did not expect */
export function runSystem(engine: EngineName, source: string, options: SystemOptions = {}): SystemResult {
  const { code, rom, handlers } = sharedParts();
  const memory = new GuestMemory(code.pool, { size: options.memory ?? 8 * 2 ** 20 });
  const outputs: { port: number; value: number; size: number }[] = [];
  const program = assemble(PROLOGUE + expandDirectives(source) + EPILOGUE, { origin: LAYOUT.PROGRAM });
  memory.addRom(0xffff_0000, rom);
  memory.copyIn(LAYOUT.PROGRAM, program.bytes);
  memory.copyIn(LAYOUT.HANDLERS, handlers);
  writeTables(memory);

  const processor = new Processor({
    name: 'test',
    code,
    memory,
    ports: {
      read: options.readPort ?? ((_, size) => 2 ** (8 * size) - 1),
      write: (port, value, size) => {
        outputs.push({ port, value, size });
        options.writePort?.(machine, port, value);
      },
    },
    clock: new VirtualClock(),
    model: options.model ?? 'i686',
    engine,
    interrupts: { acknowledge: () => options.acknowledge?.(machine) ?? 0xff },
  });
  const machine: SystemMachine = {
    memory,
    processor,
    labels: program.labels,
    read32: (address) => memory.read(address, 4),
    write32: (address, ...values) =>
      values.forEach((value, index) => {
        memory.write(address + 4 * index, value >>> 0, 4);
      }),
  };
  options.prepare?.(machine);
  const exit = processor.run(options.budget ?? 200_000);
  const exceptions = readLog(machine, memory.read(LAYOUT.LOG_NEXT, 4));
  if (exit.reason === 'error') throw exit.error;
  if (exit.reason !== 'halted' || processor.state.ip !== program.labels.get('program_end')) {
    const last = exceptions.at(-1);
    const found = `${exit.reason} at ${processor.state.ip.toString(16)}h, last exception ${JSON.stringify(last)}`;
    const cause = JSON.stringify(processor.lastFault?.cause, (_, value) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    throw new Error(`the program did not end as it should: ${found}, cause ${cause}`);
  }
  const [eax, ecx, edx, ebx, , , esi, edi] = Array.from({ length: 8 }, (_, index) => processor.state.reg32(index));
  return { ...machine, exceptions, outputs, eax: eax!, ebx: ebx!, ecx: ecx!, edx: edx!, esi: esi!, edi: edi! };
}

/**
 * Entries of a page table (two levels, 4-byte entries) that maps the first 4 MiB to themselves, present, writable and
 * for user mode, in place at PAGE_DIRECTORY. The program turns paging on with `ENABLE_PAGING`.
 */
export function identityMap({ write32 }: Pick<SystemMachine, 'write32'>): void {
  write32(LAYOUT.PAGE_DIRECTORY, LAYOUT.PAGE_TABLE | 7);
  write32(LAYOUT.PAGE_TABLE, ...Array.from({ length: 1024 }, (_, page) => (page << 12) | 7));
}

/** CR3 and CR0.PG: 32-bit paging with the tables of `identityMap`. Clobbers EAX. */
export const ENABLE_PAGING = `
  mov eax, ${LAYOUT.PAGE_DIRECTORY}
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
`;

/** Segment descriptor as two doublewords. `flags`: G, D/B, L, AVL. */
export function descriptor(spec: { base?: number; limit?: number; access: number; flags?: number }): [number, number] {
  const { base = 0, limit = 0xfffff, access, flags = 0xc } = spec;
  const high = (base & 0xff00_0000) | (flags << 20) | (limit & 0xf0000) | (access << 8) | ((base >>> 16) & 0xff);
  return [((base << 16) | (limit & 0xffff)) >>> 0, high >>> 0];
}

const PROLOGUE = `
  bits 32
  mov ax, ${SELECTOR.DATA}
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov fs, ax
  mov gs, ax
  mov esp, ${LAYOUT.KERNEL_STACK}
  lidt [program_idtr]
  mov ax, ${SELECTOR.TSS}
  ltr ax
`;
const EPILOGUE = `
  cli
  hlt
program_end:
  jmp $
program_idtr:
  dw 0x7ff
  dd ${LAYOUT.IDT}
`;

function expandDirectives(source: string): string {
  return source
    .split('\n')
    .map((line, index) => {
      const [, label = '', directive, text] = /^\s*([\w.]+:)?\s*@(try|user)\s+(.*)$/.exec(line) ?? [];
      if (directive === undefined) return line;
      const body = text!.split(';')[0].replaceAll(' / ', '\n');
      const prepare = `${label}\nmov dword [${LAYOUT.RESUME}], resume_${index}\nmov [${LAYOUT.RESUME_ESP}], esp\n`;
      if (directive === 'try')
        return `${prepare}attempt_${index}: ${body}\nresume_${index}: mov dword [${LAYOUT.RESUME}], 0`;
      const enter = `
        push dword ${SELECTOR.USER_DATA}
        pop ds
        push dword ${SELECTOR.USER_DATA}
        pop es
        push dword ${SELECTOR.USER_DATA}
        push dword ${LAYOUT.USER_STACK}
        push dword [${LAYOUT.USER_FLAGS}]
        push dword ${SELECTOR.USER_CODE}
        push dword attempt_${index}
        iretd\n`;
      return `${prepare}${enter}attempt_${index}: ${body}\nint ${RETURN_VECTOR}\nresume_${index}: mov dword [${LAYOUT.RESUME}], 0`;
    })
    .join('\n');
}

/** The reset vector, 16-bit code to protected mode, and a jump to the program. */
function bootRom(): Uint8Array {
  const start = assemble(`
    bits 16
      o32 lgdt [cs:gdtr]
      mov eax, cr0
      or al, 1
      mov cr0, eax
      jmp dword ${SELECTOR.CODE}:${LAYOUT.PROGRAM}
    gdtr:
      dw 0xfff
      dd ${LAYOUT.GDT}
  `);
  const vector = assemble('bits 16\njmp 0', { origin: 0xfff0 });
  const rom = new Uint8Array(0x10000);
  rom.set(start.bytes);
  rom.set(vector.bytes, vector.origin);
  return rom;
}

/** A stub of 16 bytes for each vector, then what they share. */
function handlers(): Uint8Array {
  const stubs = Array.from({ length: 33 }, (_, index) => {
    const vector = index === 32 ? RETURN_VECTOR : index;
    const error = VECTORS_WITH_ERROR_CODE.includes(vector) ? '' : 'push dword 0\n';
    return `align 16\n${error}push dword ${vector}\njmp handle`;
  });
  return assemble(
    `
    bits 32
    ${stubs.join('\n')}
    align 16
    handle:
      cmp dword [ss:esp], ${RETURN_VECTOR}
      je go_on
      lea esp, [esp-4] ; PUSH DS, but what lies in the upper half is not up to the processor
      mov [ss:esp], ds
      push eax
      push ebx
      mov ax, ${SELECTOR.DATA}
      mov ds, ax
      mov ebx, [${LAYOUT.LOG_NEXT}]
      ${['[esp+12]', '[esp+16]', '[esp+20]', '[esp+24]', '[esp+28]']
        .map((field, index) => `mov eax, ${field}\nmov [ebx+${4 * index}], eax`)
        .join('\n')}
      mov eax, cr2
      mov [ebx+20], eax
      mov eax, dr6
      mov [ebx+24], eax
      lea eax, [esp+32]
      mov [ebx+28], eax
      mov eax, [${LAYOUT.RESUME}]
      mov [ebx+32], eax
      add dword [${LAYOUT.LOG_NEXT}], ${LOG_ENTRY}
      pop ebx
      pop eax
    go_on:
      push dword ${SELECTOR.DATA}
      pop ds
      push dword ${SELECTOR.DATA}
      pop es
      push dword 2
      popfd
      cmp dword [${LAYOUT.RESUME}], 0
      je stop
      mov esp, [${LAYOUT.RESUME_ESP}]
      jmp [${LAYOUT.RESUME}]
    stop:
      hlt
      jmp stop
  `,
    { origin: LAYOUT.HANDLERS },
  ).bytes;
}

/** GDT, IDT and TSS where LAYOUT says. */
export function writeTables(memory: GuestMemory): void {
  const write = (address: number, ...values: number[]) =>
    values.forEach((value, index) => {
      memory.write(address + 4 * index, value >>> 0, 4);
    });
  write(
    LAYOUT.GDT,
    ...[0, 0],
    ...descriptor({ access: 0x9a }),
    ...descriptor({ access: 0x92 }),
    ...descriptor({ access: 0xfa }),
    ...descriptor({ access: 0xf2 }),
    ...descriptor({ access: 0x89, base: LAYOUT.TSS, limit: TSS_LIMIT, flags: 0 }),
    ...descriptor({ access: 0x9a, limit: 0xffff, flags: 0 }),
    ...descriptor({ access: 0x92, limit: 0xffff, flags: 0 }),
  );
  for (let index = 0; index < 33; index++) {
    const vector = index === 32 ? RETURN_VECTOR : index;
    // DPL 3 for INT3, INTO and the way back from user mode.
    const access = [3, 4, RETURN_VECTOR].includes(vector) ? 0xee00 : 0x8e00;
    const offset = LAYOUT.HANDLERS + 16 * index;
    write(LAYOUT.IDT + 8 * vector, (SELECTOR.CODE << 16) | (offset & 0xffff), (offset & 0xffff_0000) | access);
  }
  write(LAYOUT.TSS + 4, LAYOUT.EXCEPTION_STACK, SELECTOR.DATA);
  memory.write(LAYOUT.TSS + 102, TSS_LIMIT + 1, 2);
  write(LAYOUT.LOG_NEXT, LAYOUT.LOG);
  write(LAYOUT.USER_FLAGS, 2);
}

function readLog({ read32, labels }: SystemMachine, end: number): LoggedException[] {
  const attemptOf = new Map<number, number>();
  for (const [name, address] of labels) {
    const [, index] = /^attempt_(\d+)$/.exec(name) ?? [];
    if (index !== undefined) attemptOf.set(labels.get(`resume_${index}`)!, address);
  }
  const log: LoggedException[] = [];
  for (let at: number = LAYOUT.LOG; at < end; at += LOG_ENTRY) {
    const [vector, errorCode, eip, cs, eflags, cr2, dr6, esp, resume] = Array.from({ length: 9 }, (_, i) =>
      read32(at + 4 * i),
    );
    const atStart = attemptOf.get(resume!) === eip;
    log.push({
      vector: vector!,
      errorCode: errorCode!,
      eip: eip!,
      cs: cs! & 0xffff,
      eflags: eflags!,
      cr2: cr2!,
      dr6: dr6!,
      esp: esp!,
      atStart,
    });
  }
  return log;
}
