/**
 * Random system programs for lockstep tests: memory images with descriptor tables, page tables, streams of random but
 * valid instructions in 16- and 32-bit code, and small routines that go from one mode to another. Whatever happens to a
 * stream (an exception, an interrupt), a routine picks up and starts the next one in some other mode.
 */
import { Random } from '../../../src/difftest/random.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import { encodePattern } from '../../../src/isa/encode-instruction.ts';
import {
  addressSizesIn,
  bitsOf,
  type EncodingPattern,
  operandSizesIn,
  parseEncodings,
} from '../../../src/isa/encoding.ts';
import { SEGMENT } from '../../../src/isa/semantics.ts';
import { INSTRUCTIONS } from '../../../src/isa/table.ts';
import { descriptor } from '../../support/system-machine.ts';

const KIB = 1024;
export const RAM_BYTES = 5 * KIB * KIB;
/** Where things are in physical memory. Page tables lie where no page maps to: what is in the TLB stays true. */
const MAP = {
  IVT: 0,
  GDT: 0x1000,
  IDT: 0x2000,
  TSS: 0x3000,
  OTHER_TSS: 0x3200,
  TSS16: 0x3400,
  LDT: 0x3800,
  STACKS: 0x5000,
  REAL_ROUTINES: 0x7000,
  ROUTINES: 0x8000,
  COUNTER: 0xf000,
  CODE32: 0x1_0000,
  CODE16: 0x2_0000,
  DATA: 0x3_0000,
  MMIO: 0xa_0000,
  ROM: 0xe_0000,
  BOOT_ROM: 0xffff_f000,
  TABLES: 0x40_0000,
} as const;
export const MMIO_PAGE = MAP.MMIO;
const CODE_BYTES = 0x4000;
const SELECTORS = {
  CODE: 0x08,
  DATA: 0x10,
  USER_CODE: 0x1b,
  USER_DATA: 0x23,
  TSS: 0x28,
  CODE16: 0x30,
  DATA16: 0x38,
  LDT: 0x40,
  OTHER_TSS: 0x48,
  TSS16: 0x50,
  SMALL_CODE: 0x58,
  EXPAND_DOWN: 0x60,
  USER_CODE16: 0x6b,
  CALL_GATE: 0x73,
  READ_ONLY: 0x7b,
  CONFORMING: 0x80,
  HIGH_DATA: 0x8b,
  TASK_GATE: 0x93,
  USER_SMALL: 0x9b,
  LOW_CODE16: 0xa0,
} as const;

export interface Piece {
  readonly address: number;
  readonly bytes: Uint8Array;
}

export interface SystemProgram {
  readonly ram: readonly Piece[];
  readonly rom: readonly Piece[];
}

const patterns = parseEncodings(INSTRUCTIONS);
const nameOf = ({ row }: EncodingPattern) => row.mnemonic;
/** Register writes that would leave page tables in memory that streams write to, and jumps into nowhere at every turn. */
const isExcluded = (pattern: EncodingPattern): boolean =>
  pattern.operands.some(({ kind, access }) => kind.source === 'control' && access.includes('w')) ||
  ['hlt', 'cli', 'lidt', 'lgdt', 'lldt', 'ltr', 'int', 'lmsw'].includes(nameOf(pattern));
const RARE = patterns.filter((pattern) =>
  ['hlt', 'cli', 'lldt', 'ltr', 'int', 'lgdt', 'lidt', 'lmsw'].includes(nameOf(pattern)),
);
const usable = patterns.filter((pattern) => !isExcluded(pattern));
const GROUPS: readonly (readonly [weight: number, patterns: readonly EncodingPattern[]])[] = (() => {
  const branches = usable.filter((pattern) => pattern.operands.some(({ kind }) => kind.source === 'relative'));
  const strings = usable.filter(({ row }) => row.repeat !== undefined);
  const x87 = usable.filter(({ row }) => row.x87 !== undefined);
  const ending = usable.filter((pattern) => pattern.row.endsBlock && !branches.includes(pattern));
  const others = usable.filter((one) => ![branches, strings, x87, ending].some((group) => group.includes(one)));
  return [
    [24, branches],
    [12, strings],
    [8, x87],
    [8, ending],
    [100, others],
    [1, RARE],
  ];
})();
const TOTAL_WEIGHT = GROUPS.reduce((sum, [weight]) => sum + weight, 0);

export class ProgramGenerator {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  generate(): SystemProgram {
    const data = new Uint8Array(0x4000);
    this.#random.fill(data);
    const routines = this.#routines();
    return {
      ram: [
        { address: MAP.CODE32, bytes: this.#stream(32) },
        { address: MAP.CODE16, bytes: this.#stream(16) },
        { address: MAP.DATA, bytes: data },
        { address: MAP.REAL_ROUTINES, bytes: this.#realRoutines() },
        { address: MAP.ROUTINES, bytes: routines.bytes },
        ...this.#systemTables(routines.labels),
        ...this.#pageTables(),
      ],
      rom: [
        { address: MAP.ROM, bytes: this.#stream(32).subarray(0, 0x1000) },
        { address: MAP.BOOT_ROM, bytes: bootRom() },
      ],
    };
  }

  // Instructions ------------------------------------------------------------------------------------------------

  #stream(mode: 16 | 32): Uint8Array {
    const bytes = new Uint8Array(CODE_BYTES);
    let at = 0;
    while (at < CODE_BYTES - 32) {
      const one = this.#instruction(mode);
      if (one === undefined) continue;
      bytes.set(one, at);
      at += one.length;
    }
    bytes[at] = 0xcc;
    return bytes;
  }

  #instruction(mode: 16 | 32): number[] | undefined {
    const random = this.#random;
    let weight = random.below(TOTAL_WEIGHT);
    const group = GROUPS.find(([share]) => (weight -= share) < 0)![1];
    const pattern = random.pick(group);
    if (!pattern.modes.includes(mode)) return undefined;
    const operandSizes = operandSizesIn(pattern, mode);
    const addressSizes = addressSizesIn(pattern, mode);
    if (operandSizes.length === 0 || addressSizes.length === 0) return undefined;
    const usual = <Size>(sizes: readonly Size[]) =>
      sizes.includes(mode as Size) && !random.oneIn(6) ? (mode as Size) : random.pick(sizes);
    const operandSize = usual(operandSizes);
    const addressSize = usual(addressSizes);
    const hasMemory = pattern.form === 'memory' || (pattern.form === 'either' && random.oneIn(2));
    const usesModrm = !['none', 'byte', 'byteWithRegister'].includes(pattern.modrm);
    const segment = random.oneIn(8) ? random.below(6) : SEGMENT.DS;
    const repeat =
      pattern.row.repeat === undefined || random.oneIn(4)
        ? 'none'
        : pattern.row.repeat === 'rep'
          ? 'repe'
          : random.pick(['repe', 'repne'] as const);
    const prefix = repeat !== 'none' && random.oneIn(2) ? [0xb9, ...littleEndian(random.below(40), mode / 8)] : [];
    const bytes = encodePattern(pattern, {
      mode,
      operandSize,
      addressSize,
      condition: random.below(16),
      // Not the stack pointer too often: it would be lost at once.
      reg: this.#register(),
      rm: this.#register(),
      immediates: this.#immediates(pattern, operandSize, addressSize),
      repeat,
      lock: pattern.lockable && hasMemory && random.oneIn(6),
      ...(hasMemory && usesModrm && { memory: this.#memory(addressSize, segment) }),
    });
    if (typeof bytes === 'string' || bytes.length > 15) return undefined;
    return [...prefix, ...bytes];
  }

  #register(): number {
    const register = this.#random.below(8);
    return register === 4 && !this.#random.oneIn(8) ? 3 : register;
  }

  #memory(addressSize: 16 | 32 | 64, segment: number) {
    const random = this.#random;
    if (addressSize === 16) {
      const [base, index] = random.pick([
        [undefined, undefined],
        [3, 6],
        [3, undefined],
        [6, undefined],
        [5, 7],
        [7, undefined],
      ] as const);
      const displacement = base === undefined ? random.below(0x1_0000) : random.below(256) - 128;
      return {
        base,
        index,
        scale: 0,
        displacement,
        segment: base === 5 && segment === SEGMENT.DS ? SEGMENT.SS : segment,
      };
    }
    switch (random.below(4)) {
      case 0: {
        const base = this.#register();
        const displacement = random.below(0x100) - 0x80;
        return {
          base,
          index: undefined,
          scale: 0,
          displacement,
          segment: (base === 4 || base === 5) && segment === SEGMENT.DS ? SEGMENT.SS : segment,
        };
      }
      case 1: {
        const index = random.pick([0, 1, 2, 3, 5, 6, 7]);
        return { base: undefined, index, scale: random.below(4), displacement: this.#address(), segment };
      }
      default:
        return { base: undefined, index: undefined, scale: 0, displacement: this.#address(), segment };
    }
  }

  /** An address where something is: data, page borders, code, devices, nothing. */
  #address(): number {
    const random = this.#random;
    const at = random.below(0x4000);
    switch (random.below(24)) {
      case 0:
        return MAP.CODE32 + at;
      case 1:
        return MAP.CODE16 + at;
      case 2:
        return MAP.MMIO + (at & 0xfff);
      case 3:
        return MAP.ROM + (at & 0xfff);
      case 4:
        return 0x12_0000 + random.below(0x40_0000);
      case 5:
        return random.pick([0xffff_fff8, 0x7fff_fffe, 0xb_0000, 0xf_fffe, 0x10_0000, 0x3f_fffd]) + random.below(8);
      case 6:
        return MAP.STACKS + (at & 0xfff);
      case 7:
        return MAP.GDT + random.below(0x100);
      case 8:
      case 9:
        return MAP.DATA + (at & 0x3000) + 0xff8 + random.below(12);
      default:
        return MAP.DATA + at;
    }
  }

  #immediates(pattern: EncodingPattern, operandSize: 16 | 32 | 64, addressSize: 16 | 32 | 64): bigint[] {
    const random = this.#random;
    return pattern.operands.flatMap(({ kind }) => {
      const encoded = kind.encodedWidth ?? kind.width;
      const width = encoded === undefined ? 8 : bitsOf(encoded as never, operandSize, addressSize);
      const sized = (value: bigint) =>
        kind.encodedWidth === undefined ? BigInt.asUintN(width, value) : BigInt.asIntN(width, value);
      switch (kind.source) {
        case 'immediate':
          if (nameOf(pattern) === 'enter') return [sized(BigInt(random.below(40)))];
          return [
            sized(
              random.oneIn(3)
                ? random.bits(width)
                : random.oneIn(2)
                  ? BigInt(this.#address())
                  : BigInt(random.below(8)),
            ),
          ];
        case 'relative': {
          const near = BigInt(random.below(100) - (random.oneIn(3) ? 90 : 5));
          return [
            BigInt.asIntN(
              width,
              random.oneIn(20) ? random.bits(width) : width > 8 && random.oneIn(2) ? near * 30n : near,
            ),
          ];
        }
        case 'memoryOffset':
          return [BigInt.asUintN(addressSize, BigInt(this.#address()))];
        case 'farPointer':
          return [
            BigInt.asUintN(operandSize, BigInt(random.pick([MAP.CODE32, 0]) + random.below(0x4000))),
            BigInt(random.oneIn(8) ? random.below(0x1_0000) : random.pick(Object.values(SELECTORS))),
          ];
        default:
          return [];
      }
    });
  }

  // Routines ----------------------------------------------------------------------------------------------------

  #into(): number {
    return this.#random.below(CODE_BYTES - 0x400);
  }

  #flags(): number {
    const random = this.#random;
    let flags = 2 | (Number(random.bits(12)) & 0x8d5);
    if (!random.oneIn(3)) flags |= 0x200;
    if (random.oneIn(24)) flags |= 0x100;
    if (random.oneIn(3)) flags |= 0x3000;
    if (random.oneIn(6)) flags |= 0x4_0000;
    if (random.oneIn(8)) flags |= 0x400;
    if (random.oneIn(20)) flags |= 0x1_0000;
    if (random.oneIn(20)) flags |= 0x4000;
    return flags;
  }

  #registers(): string {
    const random = this.#random;
    const value = () => (random.oneIn(4) ? Number(random.bits(32)) : this.#address());
    return `
      mov eax, ${value()}
      mov ecx, ${random.below(50)}
      mov edx, ${value()}
      mov ebx, ${value()}
      mov ebp, ${value()}
      mov esi, ${this.#address()}
      mov edi, ${this.#address()}`;
  }

  /** One way on from a handler, at CPL 0 with flat segments. */
  #target(number: number): string {
    const random = this.#random;
    const stack = MAP.STACKS + 0x400 + 0x100 * random.below(12);
    const [code32, code16] = [MAP.CODE32 + this.#into(), this.#into()];
    const userStack = `push dword ${SELECTORS.USER_DATA}\npush dword ${MAP.DATA + 0x2000 + random.below(0x1ff0)}`;
    const start = `target_${number}:\nmov esp, ${stack}\n${this.#registers()}`;
    const setSegments = (selectors: readonly number[]) =>
      ['ds', 'es', 'fs', 'gs']
        .filter(() => !random.oneIn(3))
        .map((name) => `push dword ${random.pick(selectors)}\npop ${name}`)
        .join('\n');
    const { DATA, USER_DATA, DATA16, READ_ONLY, HIGH_DATA, EXPAND_DOWN } = SELECTORS;
    switch (random.below(16)) {
      case 0:
      case 1:
      case 2:
        return `${start}\n${random.oneIn(2) ? 'sti' : 'cli'}\njmp ${code32}`;
      case 3:
        return `${start}\n${setSegments([DATA, USER_DATA, DATA16, READ_ONLY, HIGH_DATA])}\njmp ${code32}`;
      case 4:
        return `${start}\npush dword ${EXPAND_DOWN}\npop ss\nmov esp, ${random.pick([0x2000, 0xffff_fff0, 0x1008])}\njmp ${code32}`;
      case 5:
        return `${start}\njmp ${SELECTORS.CODE16}:${code16}`;
      case 6:
        return `${start}\n${setSegments([DATA16, USER_DATA])}\npush dword ${DATA16}\npop ss\nmov esp, 0x5f00\njmp ${SELECTORS.CODE16}:${code16}`;
      case 7:
        return `${start}\njmp ${SELECTORS.SMALL_CODE}:${random.below(0x1000)}`;
      case 8:
      case 9:
      case 10:
        return `${start}\n${setSegments([USER_DATA, READ_ONLY, HIGH_DATA, USER_DATA])}
          ${userStack}\npush dword ${this.#flags()}\npush dword ${random.pick([SELECTORS.USER_CODE, SELECTORS.USER_CODE, SELECTORS.USER_SMALL])}\npush dword ${random.oneIn(6) ? this.#into() & 0xfff : code32}\niretd`;
      case 11:
        return `${start}\n${userStack}\npush dword ${this.#flags()}\npush dword ${SELECTORS.USER_CODE16}\npush dword ${code16}\niretd`;
      case 12:
      case 13: {
        const segments = Array.from({ length: 5 }, () => random.pick([0x3000, 0x2000, 0x500, 0x31ff, 0xffff]));
        return `${start}\n${segments.map((one) => `push dword ${one}`).join('\n')}
          push dword ${random.below(0x1000)}\npush dword ${this.#flags() | 0x2_0000}\npush dword ${MAP.CODE16 >>> 4}\npush dword ${code16}\niretd`;
      }
      case 14:
        return `${start}\njmp ${random.pick([SELECTORS.OTHER_TSS, SELECTORS.TSS, SELECTORS.TSS16, SELECTORS.TASK_GATE])}:0\njmp ${code32}`;
      default:
        return `${start}\n${this.#control()}\njmp ${code32}`;
    }
  }

  /** Changes paging, debug registers or the mode. */
  #control(): string {
    const random = this.#random;
    const { TABLES } = MAP;
    const off = 'mov eax, cr0\nand eax, 0x7fffffff\nmov cr0, eax';
    const on = `mov eax, cr0\nor eax, ${random.pick([0x8000_0000, 0x8001_0000, 0x8004_0000])}\nmov cr0, eax`;
    switch (random.below(9)) {
      case 0:
        return off;
      case 1:
      case 2:
        return `${off}\nmov eax, ${random.pick([0x90, 0x10, 0])}\nmov cr4, eax\nmov eax, ${TABLES + random.pick([0, 0x3000])}\nmov cr3, eax\n${on}`;
      case 3:
        return `${off}\nmov ecx, 0xc0000080\nxor edx, edx\nmov eax, ${random.pick([0, 0x800])}\nwrmsr\nmov eax, ${random.pick([0xa0, 0x30, 0x20])}\nmov cr4, eax\nmov eax, ${TABLES + 0x6000}\nmov cr3, eax\n${on}`;
      case 4:
        return `mov eax, cr3\nmov cr3, eax`;
      case 5: {
        const dr7 = 0x100 | (Number(random.bits(8)) & (random.oneIn(2) ? 0xff : 3)) | (Number(random.bits(16)) << 16);
        return `mov eax, ${MAP.CODE32 + this.#into()}\nmov dr0, eax\nmov eax, ${this.#address()}\nmov dr1, eax\nmov eax, ${this.#address()}\nmov dr2, eax\nmov eax, ${random.below(64)}\nmov dr3, eax\nmov eax, ${(dr7 & ~0x2000) >>> 0}\nmov dr7, eax`;
      }
      case 6:
        return 'xor eax, eax\nmov dr7, eax';
      case 7:
        return `mov al, ${random.below(4)}\nout ${random.below(8)}, al\nclts\nfninit`;
      default:
        return `jmp ${SELECTORS.LOW_CODE16}:to_real`;
    }
  }

  #routines(): { bytes: Uint8Array; labels: ReadonlyMap<string, number> } {
    const random = this.#random;
    const count = 32;
    const targets = Array.from({ length: count }, (_, number) => this.#target(number));
    return assemble(
      `bits 32
      start:
        mov ax, ${SELECTORS.DATA}
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov esp, ${MAP.STACKS + 0x800}
        lidt [idtr]
        mov ax, ${SELECTORS.LDT}
        lldt ax
        and byte [${MAP.GDT + SELECTORS.TSS + 5}], 0xfd
        and byte [${MAP.GDT + SELECTORS.OTHER_TSS + 5}], 0xfd
        and byte [${MAP.GDT + SELECTORS.TSS16 + 5}], 0xfd
        mov ax, ${SELECTORS.TSS}
        ltr ax
        fninit
        ${random.oneIn(4) ? '' : `mov eax, 0x90\nmov cr4, eax\nmov eax, ${MAP.TABLES}\nmov cr3, eax\nmov eax, cr0\nor eax, 0x80010000\nmov cr0, eax`}
      align 16
      handler:
        mov ax, ${SELECTORS.DATA}
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov esp, ${MAP.STACKS + 0x800}
        push dword 2
        push dword ${SELECTORS.CODE}
        push dword unblocked
        iretd
      unblocked:
        inc dword [${MAP.COUNTER}]
        mov eax, [${MAP.COUNTER}]
        imul eax, eax, 0x9e3779b1
        shr eax, 27
        jmp [targets + eax*4]
      align 16
      returning:
        push eax
        xor eax, eax
        mov al, 0x20
        out 0x20, al
        pop eax
        iretd
      idtr: dw 0x7ff
        dd ${MAP.IDT}
      align 4
      targets: ${targets.map((_, number) => `dd target_${number}`).join('\n')}
      bits 16
      to_real:
        mov eax, cr0
        and eax, 0x7ffffffe
        mov cr0, eax
        jmp 0:${MAP.REAL_ROUTINES}
      bits 32
      ${targets.join('\n')}
      `,
      { origin: MAP.ROUTINES },
    );
  }

  #realRoutines(): Uint8Array {
    const random = this.#random;
    const into = Array.from({ length: 8 }, () => this.#into());
    const values = Array.from({ length: 6 }, () => random.below(0x1_0000));
    return assemble(
      `bits 16
        cli
        xor ax, ax
        mov ss, ax
        mov sp, 0x6f00
        mov ds, ax
        lidt [real_idtr]
        inc word [${MAP.COUNTER}]
        mov bx, [${MAP.COUNTER}]
        and bx, 15
        cmp bx, 8
        jae protected
        mov ax, ${random.pick([0x3000, 0x3000, 0x2000, 0xffff])}
        mov ds, ax
        mov es, ax
        add bx, bx
        mov si, ${values[0]}
        mov di, ${values[1]}
        mov cx, ${random.below(40)}
        mov dx, ${values[2]}
        push word ${random.pick([0x202, 0x2, 0x202, 0x602, 0x302])}
        popf
        push word ${MAP.CODE16 >>> 4}
        push word [cs:bx+entries]
        mov ax, ${values[3]}
        mov bx, ${values[4]}
        mov bp, ${values[5]}
        retf
      protected:
        o32 lgdt [gdtr]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword ${SELECTORS.CODE}:${MAP.ROUTINES}
      align 2
      entries: ${into.map((one) => `dw ${one}`).join('\n')}
      real_idtr: dw 0x3ff
        dd 0
      gdtr: dw 0xbf
        dd ${MAP.GDT}`,
      { origin: MAP.REAL_ROUTINES },
    ).bytes;
  }

  // Tables ------------------------------------------------------------------------------------------------------

  #systemTables(labels: ReadonlyMap<string, number>): Piece[] {
    const random = this.#random;
    const handler = labels.get('handler')!;
    const returning = labels.get('returning')!;
    const tss = (base: number) => descriptor({ access: 0x89, base, limit: 0x67 + 0x20, flags: 0 });
    const gate = (selector: number, offset: number, access: number, count = 0) =>
      [((selector << 16) | (offset & 0xffff)) >>> 0, ((offset & 0xffff_0000) | (access << 8) | count) >>> 0] as const;
    const gdt = words([
      [0, 0],
      descriptor({ access: 0x9a }),
      descriptor({ access: 0x92 }),
      descriptor({ access: 0xfa }),
      descriptor({ access: 0xf2 }),
      tss(MAP.TSS),
      descriptor({ access: 0x9a, base: MAP.CODE16, limit: 0xffff, flags: 0 }),
      descriptor({ access: 0x92, base: MAP.DATA, limit: 0xffff, flags: 0 }),
      descriptor({ access: 0x82, base: MAP.LDT, limit: 0x3f, flags: 0 }),
      tss(MAP.OTHER_TSS),
      descriptor({ access: 0x81, base: MAP.TSS16, limit: 0x2b, flags: 0 }),
      descriptor({ access: 0x9a, base: MAP.CODE32, limit: 0x400 + random.below(0xc00), flags: 4 }),
      descriptor({ access: 0x96, base: MAP.STACKS & ~0xfff, limit: 0x1000 + random.below(4), flags: 4 }),
      descriptor({ access: 0xfa, base: MAP.CODE16, limit: random.pick([0xffff, 0x3fff, 0x2345]), flags: 0 }),
      gate(SELECTORS.CODE, handler, 0xec, random.below(4)),
      descriptor({ access: 0xf0, limit: 0x3_0fff + random.below(0x3000), flags: 4 }),
      descriptor({ access: 0x9e }),
      descriptor({ access: 0xf2, base: 0xffff_f000 + random.below(0x2000) - 0x1000, limit: 0xfffff, flags: 0xc }),
      gate(SELECTORS.OTHER_TSS, 0, 0xe5),
      descriptor({ access: 0xfa, base: MAP.CODE32, limit: 0x800 + random.below(0x800), flags: 4 }),
      descriptor({ access: 0x9a, limit: 0xffff, flags: 0 }),
      ...Array.from({ length: 3 }, () => [Number(random.bits(32)), Number(random.bits(32))] as const),
    ]);
    const idt = words(
      Array.from({ length: 256 }, (_, vector) => {
        const access = random.oneIn(3) ? 0xef : random.oneIn(2) ? 0x8e : 0xee;
        if (vector >= 0x30) return gate(SELECTORS.CODE, handler, random.pick([0xee, 0x8e, 0xe6, 0xef, 0x0e]));
        if (vector !== 8 && random.oneIn(24)) return gate(SELECTORS.OTHER_TSS, 0, 0xe5);
        if (vector >= 0x20 && random.oneIn(2)) return gate(SELECTORS.CODE, returning, access);
        if ((vector === 1 || vector === 3) && random.oneIn(2)) return gate(SELECTORS.CODE, returning, access);
        return gate(SELECTORS.CODE, handler, access);
      }),
    );
    const ivt = new Uint8Array(0x400);
    const view = new DataView(ivt.buffer);
    for (let vector = 0; vector < 256; vector++) view.setUint32(4 * vector, MAP.REAL_ROUTINES, true);
    return [
      { address: MAP.IVT, bytes: ivt },
      { address: MAP.GDT, bytes: gdt },
      { address: MAP.IDT, bytes: idt },
      { address: MAP.LDT, bytes: gdt.slice(0, 0x40) },
      { address: MAP.TSS, bytes: this.#tss32() },
      { address: MAP.OTHER_TSS, bytes: this.#tss32() },
      { address: MAP.TSS16, bytes: this.#tss16() },
    ];
  }

  #tss32(): Uint8Array {
    const random = this.#random;
    const { CODE, DATA } = SELECTORS;
    const stack = MAP.STACKS + 0x600;
    const bytes = words([
      [0, stack],
      [DATA, stack],
      [DATA, stack],
      [DATA, MAP.TABLES],
      [MAP.CODE32 + this.#into(), this.#flags() & ~0x4000],
      ...Array.from({ length: 4 }, () => [this.#address(), this.#address()] as const),
      [DATA, CODE],
      [DATA, DATA],
      [DATA, DATA],
      [0, (0x68 << 16) | (random.oneIn(8) ? 1 : 0)],
    ]);
    const whole = new Uint8Array(0x88);
    whole.set(bytes);
    for (let at = 0x68; at < 0x87; at++) whole[at] = random.oneIn(2) ? 0 : random.below(256);
    whole[0x87] = 0xff;
    return whole;
  }

  #tss16(): Uint8Array {
    const values = [0, 0x5f00, SELECTORS.DATA, 0x5f00, SELECTORS.DATA, 0x5f00, SELECTORS.DATA, this.#into(), 2];
    for (let register = 0; register < 8; register++) values.push(this.#random.below(0x1_0000));
    values[13] = 0x5e00;
    values.push(SELECTORS.DATA16, SELECTORS.CODE16, SELECTORS.DATA, SELECTORS.DATA16, SELECTORS.LDT);
    return new Uint8Array(Uint16Array.from(values).buffer);
  }

  /** Two-level tables at TABLES and TABLES + 3000h, PAE tables at TABLES + 6000h. */
  #pageTables(): Piece[] {
    const random = this.#random;
    const tables = new DataView(new ArrayBuffer(0xa000));
    const physical = () =>
      random.pick([MAP.CODE32, MAP.CODE16, MAP.DATA, MAP.DATA, MAP.MMIO, MAP.ROM, 0xc_0000]) + 0x1000 * random.below(4);
    const rights = () => random.pick([7, 7, 7, 7, 5, 3, 1, 0x107, 0, 0x67]);
    for (const root of [0, 0x3000]) {
      const base = MAP.TABLES + root;
      tables.setUint32(root, (base + 0x1000) | 7, true);
      tables.setUint32(root + 4, (base + 0x2000) | 7, true);
      for (let entry = 2; entry < 1024; entry++) {
        const value = random.oneIn(3)
          ? 0
          : random.oneIn(2)
            ? 0x87 | (random.oneIn(4) ? 0x100 : 0) | (random.oneIn(8) ? 0x40_0000 * 2 : 0)
            : (base + 0x2000) | random.pick([7, 5, 3]);
        tables.setUint32(root + 4 * entry, value, true);
      }
      for (let page = 0; page < 0x400; page++) {
        const right = page < 0x10 || !random.oneIn(12) ? 7 : rights();
        tables.setUint32(
          root + 0x1000 + 4 * page,
          page < 0x120 ? (page << 12) | right : random.oneIn(2) ? 0 : physical() | rights(),
          true,
        );
        tables.setUint32(root + 0x2000 + 4 * page, physical() | rights(), true);
      }
    }
    // PAE: PDPT, one page directory for all four, two page tables.
    const pae = 0x6000;
    const base = MAP.TABLES + pae;
    const set = (at: number, low: number, high = 0) => {
      tables.setUint32(at, low, true);
      tables.setUint32(at + 4, high, true);
    };
    for (let entry = 0; entry < 4; entry++)
      set(pae + 8 * entry, random.oneIn(4) && entry > 0 ? 0 : (base + 0x1000) | 1);
    set(pae + 0x1000, (base + 0x2000) | 7);
    for (let entry = 1; entry < 512; entry++) {
      const noExecute = random.oneIn(6) ? 0x8000_0000 : 0;
      set(pae + 0x1000 + 8 * entry, random.oneIn(3) ? 0 : random.oneIn(2) ? 0x87 : (base + 0x3000) | 7, noExecute);
    }
    for (let page = 0; page < 0x200; page++) {
      const noExecute = page >= 0x30 && random.oneIn(6) ? 0x8000_0000 : 0;
      set(
        pae + 0x2000 + 8 * page,
        page < 0x120 ? (page << 12) | (page < 0x10 || !random.oneIn(12) ? 7 : rights()) : physical() | rights(),
        noExecute,
      );
      set(pae + 0x3000 + 8 * page, physical() | rights(), random.oneIn(5) ? 0x8000_0000 : 0);
    }
    return [{ address: MAP.TABLES, bytes: new Uint8Array(tables.buffer) }];
  }
}

/** The reset vector: to the real-mode routines, which go on to protected mode in their own time. */
function bootRom(): Uint8Array {
  const rom = new Uint8Array(0x1000).fill(0xf4);
  const vector = assemble(`bits 16\njmp 0:${MAP.REAL_ROUTINES}`, { origin: 0xff0 });
  rom.set(vector.bytes, vector.origin);
  return rom;
}

const littleEndian = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, index) => (value >>> (8 * index)) & 0xff);

const words = (pairs: readonly (readonly [number, number])[]): Uint8Array =>
  new Uint8Array(Uint32Array.from(pairs.flat()).buffer);
