/**
 * Random descriptor tables, and programs that try far transfers, interrupts, returns and segment loads with them. Wherever
 * a transfer lands there is INT3, so each attempt ends in an exception that the handlers log. After each attempt a
 * checksum of the stacks, of FS and GS and of what LAR and its kin gave is kept.
 */

import { RESULTS } from './system-image.ts';
import { descriptor, LAYOUT, SELECTOR, type SystemMachine } from './system-machine.ts';

/** A seeded generator: xorshift32. */
export function createRandom(seed: number) {
  let state = (seed * 0x9e37_79b9) >>> 0 || 1;
  const below = (limit: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % limit;
  };
  return {
    below,
    chance: (percent: number) => below(100) < percent,
    pick: <T>(from: readonly T[]): T => from[below(from.length)],
  };
}
type Random = ReturnType<typeof createRandom>;

const FIRST = 8;
const ENTRIES = 64;
const LDT_AT = 0x6800;
const LDT_ENTRIES = 16;
/** Fixed entries: stacks of levels 1 and 2, and the LDT. */
const STACK1 = 0x40;
const STACK2 = 0x48;
const LDT = 0x50;
/** INT3 everywhere: for 16-bit offsets and for 32-bit ones. */
const LANDING16 = 0xe000;
const LANDING32 = 0x18000;
const VECTORS = { first: 0x50, count: 0x28 } as const;

type Words = readonly [number, number];

const anySelector = (random: Random): number => {
  if (random.chance(4)) return random.pick([0, 1, 2, 3, 0x1000, 0x7c, 0xfffc]);
  if (random.chance(12)) return random.pick([SELECTOR.CODE, SELECTOR.DATA, SELECTOR.USER_CODE, SELECTOR.USER_DATA]);
  const rpl = random.pick([0, 0, 0, 1, 2, 3, 3]);
  if (random.chance(20)) return (random.below(LDT_ENTRIES + 1) << 3) | 4 | rpl;
  return ((FIRST + random.below(ENTRIES - FIRST)) << 3) | rpl;
};

/** A selector whose descriptor satisfies `wanted`, mostly. */
function selectorOf(random: Random, tables: Tables, wanted: (high: number, selector: number) => boolean): number {
  for (let attempt = 0; attempt < 60; attempt++) {
    const selector = anySelector(random);
    const table = selector & 4 ? tables.ldt : tables.gdt;
    const words = table[selector >> 3];
    if (words !== undefined && wanted(words[1], selector)) return selector;
  }
  return anySelector(random);
}
const isCode = (high: number) => (high & 0x1800) === 0x1800;
const isData = (high: number) => (high & 0x1800) === 0x1000;
const dpl = (high: number) => (high >>> 13) & 3;

const landing = (random: Random, bits: 16 | 32): number =>
  bits === 16 ? LANDING16 + random.below(0x1ff0) : LANDING32 + random.below(0x7000);

function randomDescriptor(random: Random): Words {
  const present = random.chance(93) ? 0x80 : 0;
  const level = random.pick([0, 0, 0, 1, 2, 3, 3, 3]) << 5;
  const kind = random.below(100);
  if (kind < 42) {
    const access = present | level | 0x18 | (random.chance(30) ? 4 : 0) | (random.chance(80) ? 2 : 0) | random.below(2);
    // No small limits: whether a call that fails for its target's limit has pushed before is not up to the processor.
    return descriptor({ access, flags: 8 | (random.chance(75) ? 4 : 0) });
  }
  if (kind < 70) {
    const access = present | level | 0x10 | (random.chance(10) ? 4 : 0) | (random.chance(85) ? 2 : 0) | random.below(2);
    return descriptor({ access, limit: access & 4 ? 0x10 : 0xfffff, flags: 8 | (random.chance(80) ? 4 : 0) });
  }
  if (kind < 92) {
    const bits = random.chance(75) ? 32 : 16;
    const offset = landing(random, bits);
    const access = present | random.pick([0x60, 0x60, 0x60, 0x40, 0]) | (bits === 32 ? 0xc : 4);
    return gate(anySelector(random), offset, access, random.chance(40) ? random.below(6) : 0);
  }
  // System types that no transfer may go through: reserved ones, LDTs, busy TSSs, interrupt gates.
  return descriptor({ access: present | level | random.pick([0, 2, 3, 8, 10, 11, 13, 14]), limit: 0x100, flags: 0 });
}

const gate = (selector: number, offset: number, access: number, count = 0): Words => [
  ((selector << 16) | (offset & 0xffff)) >>> 0,
  ((offset & 0xffff_0000) | (access << 8) | count) >>> 0,
];

interface Tables {
  readonly gdt: Words[];
  readonly ldt: Words[];
  readonly idt: Words[];
  readonly stacks: readonly number[];
}

function randomTables(random: Random): Tables {
  const gdt: Words[] = [];
  for (let index = FIRST; index < ENTRIES; index++) gdt[index] = randomDescriptor(random);
  gdt[STACK1 >> 3] = descriptor({ access: 0xb2 });
  gdt[STACK2 >> 3] = descriptor({ access: 0xd2 });
  gdt[LDT >> 3] = descriptor({ access: 0x82, base: LDT_AT, limit: 8 * LDT_ENTRIES - 1, flags: 0 });
  const ldt = Array.from({ length: LDT_ENTRIES }, () => randomDescriptor(random));
  const half: Tables = { gdt, ldt, idt: [], stacks: [] };
  // Call gates lead to code, mostly.
  for (const table of [gdt, ldt]) {
    table.forEach(([low, high], index) => {
      const isGate = (high & 0x1700) === 0x0400;
      if (isGate && random.chance(80))
        table[index] = [((selectorOf(random, half, isCode) << 16) | (low & 0xffff)) >>> 0, high];
    });
  }
  const idt = Array.from({ length: VECTORS.count }, () => {
    const bits = random.chance(75) ? 32 : 16;
    const type = random.chance(94) ? (bits === 32 ? 0xe : 6) | random.below(2) : random.pick([0, 2, 4, 12]);
    const access = (random.chance(93) ? 0x80 : 0) | random.pick([0x60, 0x60, 0x60, 0]) | type;
    return gate(selectorOf(random, half, isCode), landing(random, bits), access);
  });
  const stack = (usual: number, level: number) =>
    random.chance(50) ? usual | level : selectorOf(random, half, (high) => isData(high) && dpl(high) === level);
  return { gdt, ldt, idt, stacks: [0xb000, stack(STACK1, 1), 0xb800, stack(STACK2, 2)] };
}

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** One attempt: a line that begins with @try or @user. */
function attempt(random: Random, tables: Tables): string {
  const user = random.chance(50);
  const cpl = user ? 3 : 0;
  /** Mostly such that the transfer is allowed. */
  const code = () =>
    random.chance(75)
      ? selectorOf(random, tables, (high, selector) => isCode(high) && dpl(high) === cpl && (selector & 3) <= cpl)
      : selectorOf(random, tables, isCode);
  const gateOrOther = () =>
    random.chance(75)
      ? selectorOf(
          random,
          tables,
          (high, selector) => (high & 0x1700) === 0x0400 && dpl(high) >= Math.max(cpl, selector & 3),
        )
      : anySelector(random);
  /** Code to return to, and a stack for it. */
  const outer = (): [code: number, stack: number] => {
    const selector = random.chance(75)
      ? selectorOf(
          random,
          tables,
          (high, one) =>
            isCode(high) && (one & 3) >= cpl && (high & 0x400 ? dpl(high) <= (one & 3) : dpl(high) === (one & 3)),
        )
      : selectorOf(random, tables, isCode);
    const level = selector & 3;
    const absent = random.chance(25);
    const stack = random.chance(75)
      ? selectorOf(
          random,
          tables,
          (high, one) =>
            isData(high) &&
            absent === !(high & 0x8000) &&
            (high & 0x200) !== 0 &&
            dpl(high) === level &&
            (one & 3) === level,
        )
      : anySelector(random);
    return [selector, stack];
  };
  const data = () =>
    random.chance(75)
      ? selectorOf(random, tables, (high, selector) => isData(high) && dpl(high) >= Math.max(cpl, selector & 3))
      : anySelector(random);
  const pushes = (...values: number[]) => values.map((value) => `push dword ${hex(value)}`).join(' / ');
  const body = (): string => {
    switch (random.below(9)) {
      case 0:
        return `jmp ${hex(random.chance(50) ? code() : gateOrOther())}:${hex(landing(random, 32))}`;
      case 1:
      case 2:
        return `${pushes(...[5, 4, 3, 2, 1].map((n) => n * 0x1111))} / call ${hex(random.chance(30) ? code() : gateOrOther())}:${hex(landing(random, 32))}`;
      case 3:
        return `int ${VECTORS.first + random.below(VECTORS.count)}`;
      case 4: {
        const released = random.chance(30) ? 4 * random.below(4) : 0;
        const [selector, stack] = outer();
        const frame = [
          stack,
          0xa800 + 4 * random.below(16),
          ...Array(released / 4).fill(0x55),
          selector,
          landing(random, 32),
        ];
        return `${pushes(...frame)} / retf${released ? ` ${released}` : ''}`;
      }
      case 5: {
        const flags = random.pick([2, 0x3002, 0x1002, 0x0cd7, 0x200002, 0x40002]);
        const [selector, stack] = outer();
        return `${pushes(stack, 0xa800 + 4 * random.below(16), flags, selector, landing(random, 32))} / iretd`;
      }
      case 6: {
        const flags = random.pick([2, 0x3002, 0x0cd7]);
        const [selector, stack] = outer();
        const words = [(stack << 16) | 0xa800, (flags << 16) | selector, landing(random, 16) << 16];
        // Six words: the lowest one is padding that is popped first.
        return `${pushes(...words)} / add esp, 2 / o16 iret`;
      }
      case 7: {
        const register = user ? random.pick(['fs', 'gs', 'es', 'ss']) : random.pick(['fs', 'gs', 'es']);
        return `mov eax, ${hex(data())} / mov ${register}, ax${register === 'es' ? ` / mov ecx, es` : ''}`;
      }
      default: {
        const ask = random.pick(['lar edx, ax', 'lsl edx, ax', 'verr ax', 'verw ax']);
        return `mov eax, ${hex(anySelector(random))} / ${ask} / setz cl`;
      }
    }
  };
  return `@${user ? 'user' : 'try'} ${body()}`;
}

/** A program of `count` attempts; the results lie at RESULTS. */
export function randomTransfers(
  seed: number,
  count: number,
): { source: string; prepare: (machine: SystemMachine) => void } {
  const random = createRandom(seed);
  const tables = randomTables(random);
  const attempts = Array.from(
    { length: count },
    () => `xor ecx, ecx\nxor edx, edx\n${attempt(random, tables)}\ncall summarize`,
  );
  const source = `
    mov ax, ${LDT}
    lldt ax
    mov edi, ${RESULTS}
    ${attempts.join('\n')}
    jmp done
  summarize:
    mov ax, ${SELECTOR.DATA}
    mov ss, ax
    mov ds, ax
    lea ebx, [ecx+edx*2]
    mov ecx, fs
    rol ebx, 3
    xor ebx, ecx
    mov ecx, gs
    rol ebx, 3
    xor ebx, ecx
    mov fs, ax
    mov gs, ax
    ${[LAYOUT.KERNEL_STACK, LAYOUT.EXCEPTION_STACK, LAYOUT.USER_STACK, 0xb000, 0xb800].map(sumStack).join('\n')}
    mov [edi], ebx
    add edi, 4
    ret
  done:
  `;
  const prepare = (machine: SystemMachine) => {
    const { memory, write32 } = machine;
    memory.copyIn(LANDING16, new Uint8Array(0x2000).fill(0xcc));
    memory.copyIn(LANDING32, new Uint8Array(0x7010).fill(0xcc));
    tables.gdt.forEach((words, index) => {
      write32(LAYOUT.GDT + 8 * index, ...words);
    });
    tables.ldt.forEach((words, index) => {
      write32(LDT_AT + 8 * index, ...words);
    });
    tables.idt.forEach((words, index) => {
      write32(LAYOUT.IDT + 8 * (VECTORS.first + index), ...words);
    });
    write32(LAYOUT.TSS + 12, ...tables.stacks);
  };
  return { source, prepare };
}

/** EBX takes in sixteen doublewords of a stack. */
const sumStack = (top: number, index: number): string => `
    mov esi, ${top - 64}
  sum_${index}:
    rol ebx, 5
    add ebx, [esi]
    add esi, 4
    cmp esi, ${top}
    jne sum_${index}
`;
