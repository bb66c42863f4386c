/** A PC that our BIOS starts from boot sectors of a test's own. */
import type { Medium } from '../../src/bus/medium.ts';
import type { DriveKind, Drives } from '../../src/firmware/board.ts';
import { assemble } from '../../src/isa/assemble.ts';
import type { BiosBoot } from '../../src/machine/boot.ts';
import { Pc, type PcOptions } from '../../src/machine/pc.ts';
import { sharedCode } from './shared-code.ts';

const MIB = 2 ** 20;
const SECTOR = 512;
export const FLOPPY_SIZE = 1440 * 1024;
export type BiosEngine = 'interpreter' | 'jit' | 'reference';

/** Bytes of the test's as a medium. `late`: it answers only after `release` was called. */
export class TestMedium implements Medium {
  readonly bytes: Uint8Array;
  readonly readOnly: boolean;
  fails = false;
  readonly #waiting: (() => void)[] = [];
  readonly #late: boolean;

  constructor(bytes: Uint8Array, { readOnly = false, late = false } = {}) {
    this.bytes = bytes;
    this.readOnly = readOnly;
    this.#late = late;
  }

  get size(): number {
    return this.bytes.length;
  }

  read(offset: number, length: number): Uint8Array | Promise<Uint8Array> {
    if (this.fails) throw new Error('broken');
    const answer = () => this.bytes.slice(offset, offset + length);
    if (!this.#late) return answer();
    return new Promise((resolve) => this.#waiting.push(() => resolve(answer())));
  }

  write(offset: number, bytes: Uint8Array): void {
    if (this.fails) throw new Error('broken');
    this.bytes.set(bytes, offset);
  }

  flush(): void {}

  /** Lets all that waits have its answer. */
  async release(): Promise<void> {
    for (const answer of this.#waiting.splice(0)) answer();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Routines for test programs. AL: a character for the debug console; AX: four digits and a space. */
const ROUTINES = `
show_char:
        out 0xe9, al
        ret
show:   pushf
        pusha
        mov bx, ax
        mov cx, 4
.digit: rol bx, 4
        mov al, bl
        and al, 15
        add al, '0'
        cmp al, '9'
        jbe .out
        add al, 39
.out:   out 0xe9, al
        loop .digit
        mov al, ' '
        out 0xe9, al
        popa
        popf
        ret
show_flags:
        pushf
        push ax
        pushf
        pop ax
        and ax, 0x41
        call show
        pop ax
        popf
        ret
`;

/** A bootable image of \`size\` bytes: one program, as many sectors of it as it has, from the first one on. */
export function bootImage(program: string, size = FLOPPY_SIZE): Uint8Array {
  const { bytes } = assemble(`bits 16\norg 0x7c00\n${program}\n${ROUTINES}`);
  if (bytes.length > SECTOR - 2) throw new Error(`the program has ${bytes.length} bytes`);
  const image = new Uint8Array(size);
  image.set(bytes);
  image.set([0x55, 0xaa], SECTOR - 2);
  return image;
}

export interface BiosMachineOptions {
  readonly floppy?: Medium | Uint8Array | undefined;
  readonly floppies?: number;
  readonly disks?: readonly (Medium | Uint8Array)[];
  readonly cd?: Medium | Uint8Array | undefined;
  readonly order?: readonly DriveKind[];
  readonly engine?: BiosEngine;
  readonly memory?: number;
  readonly balloon?: PcOptions['balloon'];
  readonly bios?: Partial<BiosBoot['bios']>;
}

const mediumOf = (from: Medium | Uint8Array | undefined): Medium | undefined =>
  from instanceof Uint8Array ? new TestMedium(from) : from;

/** \`output\`: what the program has shown. \`tried\`: what the host was told when nothing could be booted. */
export function createBiosMachine(options: BiosMachineOptions) {
  const tried: string[][] = [];
  const floppies = options.floppies ?? 1;
  const drives: Drives = {
    floppy: Array.from({ length: floppies }, (_, index) => ({
      medium: index === 0 ? mediumOf(options.floppy) : undefined,
    })),
    disk: (options.disks ?? []).map((each) => ({ medium: mediumOf(each) })),
    cd: 'cd' in options ? [{ medium: mediumOf(options.cd) }] : [],
  };
  const pc = new Pc({
    code: sharedCode(),
    name: 'test',
    memoryBytes: (options.memory ?? 16) * MIB,
    cpu: 'i686',
    engine: options.engine ?? 'interpreter',
    balloon: options.balloon,
    powerOnTime: Date.UTC(2026, 10, 20, 12, 34, 50),
    boot: {
      bios: { drives, order: options.order, onNothingToBoot: (lines) => tried.push([...lines]), ...options.bios },
    },
  });
  let output = '';
  pc.debugConsole.onOutput = (bytes) => (output += new TextDecoder('latin1').decode(bytes));
  /** Runs until the program halts with interrupts off. */
  const run = (instructions = 50_000_000) => {
    const exit = pc.run({ instructions });
    if (exit.reason === 'error') throw exit.error;
    return exit.reason;
  };
  return {
    pc,
    run,
    tried,
    drives,
    output: () => output.trimEnd(),
    screen: () => pc.screen().map((row) => row.trimEnd()),
  };
}

/** Runs a boot sector from a floppy to its end; what it has shown. */
export function runProgram(program: string, options: Omit<BiosMachineOptions, 'floppy'> = {}) {
  const machine = createBiosMachine({ floppy: bootImage(`${program}\ncli\nhlt\n`), ...options });
  const reason = machine.run();
  if (reason !== 'halted') throw new Error(`${reason} after "${machine.output()}"`);
  return machine;
}
