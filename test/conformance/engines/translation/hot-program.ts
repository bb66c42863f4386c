/**
 * Guest programs for translators: loops that get hot, and then something happens (`run-hot.ts` runs and compares them).
 *
 * A program starts in flat 32-bit protected mode at CPL 0 with interrupts off, at LAYOUT.PROGRAM, with the descriptors of
 * `SELECTOR`, and ends at its last line. A label `vector_14` among its handlers makes the gate of vector 14; gates may be used by INT
 * from CPL 3. An exception without a handler stops the test.
 */
import { Random } from '../../../../src/difftest/random.ts';
import type { Processor } from '../../../../src/engine/processor.ts';
import { assemble } from '../../../../src/isa/assemble.ts';
import { descriptor, identityMap, LAYOUT, SELECTOR, writeTables } from '../../../support/system-machine.ts';
import { type BareMachine, createBareMachine } from '../bare-machine.ts';
import type { TranslationConfiguration } from './translation-engines.ts';

/** With paging, the second 4 MiB of linear addresses are the first once more: another name for every byte. */
export const ALIAS = 0x40_0000;
/** Of the page table entry of a linear address below ALIAS. */
export const entryOf = (address: number): number => LAYOUT.PAGE_TABLE + (address >>> 12) * 4;
/** The vector of INTR. */
export const INTR_VECTOR = 9;
/** To CPL 3. Interrupts and INT come back to CPL 0 with a stack of their own. Clobbers AX. */
export const enterUser = (label: string, flags = 2): string => `
  mov ax, ${SELECTOR.USER_DATA}
  mov ds, ax
  mov es, ax
  push dword ${SELECTOR.USER_DATA}
  push dword ${LAYOUT.USER_STACK}
  push dword ${flags}
  push dword ${SELECTOR.USER_CODE}
  push dword ${label}
  iretd`;

/** A handler of INT 80h that goes on at CPL 0 at the label. */
export const leaveUserTo = (label: string): string => `
  vector_128: mov esp, ${LAYOUT.KERNEL_STACK}
  jmp ${label}`;

/** Raises INTR every so many instructions. */
export function interruptEvery(
  { clock, processor }: Pick<HotMachine, 'clock' | 'processor'>,
  instructions: number,
): void {
  clock.setAlarm(clock.now + instructions, () => {
    processor.intr.set(1);
    interruptEvery({ clock, processor }, instructions);
  });
}

/** Selector of the first of the descriptors that are free. */
export const { FREE } = SELECTOR;

/** Writes free descriptor number `slot`. */
export function setDescriptor(slot: number, spec: Parameters<typeof descriptor>[0]): string {
  const [low, high] = descriptor(spec);
  const at = LAYOUT.GDT + FREE + 8 * slot;
  return `mov dword [${at}], ${low}\nmov dword [${at + 4}], ${high}\n`;
}

/** A 16- or 32-bit code segment with a base and 4 KiB in free descriptor number `slot`. */
export const setCodeDescriptor = (slot: number, { base, bits }: { base: number; bits: 16 | 32 }): string =>
  setDescriptor(slot, { base, limit: 0xfff, access: 0x9b, flags: bits === 32 ? 4 : 0 });

/** Loads a data segment register with a base, by the first free descriptor. Clobbers AX. */
export const loadSegment = (register: string, base: number): string =>
  `${setDescriptor(0, { base, access: 0x93 })}mov ax, ${FREE}\nmov ${register}, ax`;

export interface HotProgram {
  readonly source: string;
  /** Code that is not run into. */
  readonly handlers?: string;
  /** Paging is on from the start, all pages mapped to themselves for CPL 3, and again from ALIAS on. */
  readonly paging?: boolean;
  /** The reference engine runs all of it, not only REFERENCE_INSTRUCTIONS: it is slow. */
  readonly needsReference?: boolean;
  /** Before the first instruction: more memory, alarms, breakpoints. */
  readonly prepare?: (machine: HotMachine) => void;
  /** What is done from outside, before the instruction of that count. */
  readonly events?: readonly { readonly at: number; readonly act: (machine: HotMachine) => void }[];
  /** IN and OUT; without the first, all ones are read. */
  readonly readPort?: (machine: HotMachine, port: number) => number;
  readonly writePort?: (machine: HotMachine, port: number, value: number) => void;
}

/** One configuration, running one program. */
export class HotMachine {
  readonly labels: ReadonlyMap<string, number>;
  readonly processor: Processor;
  readonly clock: BareMachine['clock'];
  readonly memory: BareMachine['memory'];
  /** What a test wants compared besides the guest's state. */
  readonly log: string[] = [];
  readonly #bare: BareMachine;
  readonly #events: { readonly at: number; readonly act: (machine: HotMachine) => void }[];
  readonly #slices: Random;
  readonly #largest: number;

  constructor(program: HotProgram, { settings, largestSlice }: TranslationConfiguration) {
    this.#bare = createBareMachine(settings.engine, {
      settings: { instructionTime: 1, ...settings },
      ports: {
        read: (port, size) => (program.readPort?.(this, port) ?? 2 ** 32 - 1) % 2 ** (8 * size),
        write: (port, value) => program.writePort?.(this, port, value),
      },
    });
    const { memory, processor, clock } = this.#bare;
    this.processor = processor;
    this.clock = clock;
    this.memory = memory;
    this.#largest = largestSlice;
    this.#slices = new Random(largestSlice);
    this.#events = [...(program.events ?? [])].sort((one, other) => one.at - other.at);
    const { bytes, labels } = assembleProgram(program);
    this.labels = labels;
    memory.copyIn(LAYOUT.HANDLERS, new Uint8Array(0x400).fill(0xf4)); // HLT
    memory.copyIn(LAYOUT.PROGRAM, bytes);
    this.#enter();
    if (program.paging) this.#turnPagingOn();
    program.prepare?.(this);
  }

  label(name: string): number {
    const address = this.labels.get(name);
    if (address === undefined) throw new Error(`no label ${name}`);
    return address;
  }

  read32(address: number): number {
    return this.memory.read(address, 4);
  }

  write32(address: number, ...values: number[]): void {
    for (const [index, value] of values.entries()) this.memory.write(address + 4 * index, value >>> 0, 4);
  }

  write(address: number, bytes: ArrayLike<number>): void {
    this.#bare.write(address, bytes);
  }

  /** Code or data, assembled for where it is put. */
  place(address: number, source: string): void {
    this.#bare.write(address, assemble(`bits 32\n${source}`, { origin: address }).bytes);
  }

  /** The first 1 MiB. */
  copyMemory(): DataView {
    return new DataView(this.memory.copyOut(0, 2 ** 20).buffer);
  }

  /** RESET#, and the program from its beginning, in whatever memory there is. */
  restart(): void {
    this.processor.reset();
    this.#enter();
  }

  /** Runs to a count of instructions. @returns whether the program came to its end before */
  runTo(count: number): boolean {
    const { processor } = this;
    for (;;) {
      while (this.#events.length > 0 && this.#events[0].at <= processor.retired) this.#events.shift()!.act(this);
      if (processor.retired >= count) return false;
      const slice = this.#largest === 0 ? count : 1 + this.#slices.below(this.#slices.oneIn(4) ? 4 : this.#largest);
      const end = Math.min(count, this.#events[0]?.at ?? count);
      const { reason, error, hit } = processor.run(Math.min(slice, end - processor.retired));
      if (error) throw error;
      if (reason === 'breakpoint')
        this.log.push(`${processor.retired} at ${processor.state.ip}: ${hit!.access} ${hit!.address} ${hit!.size}`);
      else if (reason === 'halted') return this.#checkEnd();
      else if (reason === 'shutdown') throw new Error(processor.shutdownCause);
    }
  }

  dispose(): void {
    this.#bare.dispose();
  }

  /** The task register loads a TSS that is not busy: the tables are written each time. */
  #enter(): void {
    writeTables(this.memory);
    for (const [name, address] of this.labels) this.#makeGate(name, address);
    this.#bare.enter(LAYOUT.PROGRAM);
  }

  #checkEnd(): true {
    const { processor } = this;
    if (processor.state.ip === this.label('end_of_program')) return true;
    const { vector, errorCode, address } = processor.lastFault ?? {};
    const stack = this.read32(processor.state.reg32(4)).toString(16);
    throw new Error(
      `halted at ${processor.state.ip.toString(16)}, last fault ${vector} (${errorCode}) ${address?.toString(16)}, [esp] ${stack}`,
    );
  }

  #makeGate(name: string, address: number): void {
    const [, vector] = /^vector_(\d+)$/.exec(name) ?? [];
    if (vector === undefined) return;
    this.write32(
      LAYOUT.IDT + 8 * Number(vector),
      (SELECTOR.CODE << 16) | (address & 0xffff),
      (address & 0xffff_0000) | 0xee00,
    );
  }

  #turnPagingOn(): void {
    const { processor } = this;
    identityMap({ write32: (address, ...values) => this.write32(address, ...values) });
    this.write32(LAYOUT.PAGE_DIRECTORY + 4, LAYOUT.PAGE_TABLE | 7);
    processor.state.cr3 = LAYOUT.PAGE_DIRECTORY;
    // With write protection: what user code may not write, the supervisor may not either.
    processor.state.cr0 = (processor.state.cr0 | 0x8001_0000) >>> 0;
    processor.mmu.flush('all');
    processor.modeChanged();
  }
}

const assembled = new WeakMap<HotProgram, ReturnType<typeof assemble>>();

/** Once for all the machines that run it. */
function assembleProgram(program: HotProgram): ReturnType<typeof assemble> {
  const known = assembled.get(program);
  if (known) return known;
  const made = assemble(
    `bits 32
    lidt [program_idtr]
    mov ax, ${SELECTOR.TSS}
    ltr ax
    ${program.source}
    bits 32
    cli
    hlt
    end_of_program: jmp $
    program_idtr:
    dw 0x7ff
    dd ${LAYOUT.IDT}
    ${program.handlers ?? ''}`,
    { origin: LAYOUT.PROGRAM },
  );
  assembled.set(program, made);
  return made;
}
