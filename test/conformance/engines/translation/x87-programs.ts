/** Programs of random x87 instructions in loops, with all that may happen between two of them. */
import type { Random } from '../../../../src/difftest/random.ts';
import { X87Vector } from '../../../support/x87-vector.ts';
import { entryOf, type HotProgram, loadSegment } from './hot-program.ts';

const DATA = 0x91000;
const OPERANDS = 64;
const OUT = 0x93000;
/** An image of the FPU, and a page that is taken away now and then. */
const IMAGE = 0x94000;
const PAGE = 0x90000;
const WORDS = 0x95000;
const ROUNDS = 60;

/** The first eight are the usual one and others with all exceptions masked. */
const CONTROL_WORDS = [
  0x37f, 0x37f, 0x27f, 0x07f, 0x77f, 0xb7f, 0xf7f, 0x67f, 0x340, 0x35f, 0x37e, 0x37b, 0x373, 0x36f, 0x340, 0x77d,
];

const ARITHMETIC = ['fadd', 'fmul', 'fsub', 'fsubr', 'fdiv', 'fdivr'];
const BESIDE_TOP = ['fchs', 'fabs', 'fsqrt', 'frndint', 'fscale', 'fprem', 'fprem1', 'fxtract', 'ftst', 'fxam'];
const CONSTANTS = ['fld1', 'fldl2t', 'fldl2e', 'fldpi', 'fldlg2', 'fldln2', 'fldz'];
/** No emitted code does these. */
const APART = ['fsin', 'fcos', 'fptan', 'fpatan', 'fyl2x', 'f2xm1', 'fsincos', 'fninit'];
const CONDITIONS = ['b', 'e', 'be', 'u', 'nb', 'ne', 'nbe', 'nu'];

type Maker = (random: Random, next: () => number) => string;

const st = (random: Random) => `st${random.oneIn(3) ? random.below(8) : random.below(3)}`;
const source = (random: Random) => {
  const at = 8 * random.below(8);
  return random.pick([`[esi + ${at}]`, `[esi + ${at}]`, `[ebp + ${at}]`, `[fs:esi + ${at}]`, `[${DATA + at}]`]);
};
const target = (random: Random) => random.pick([`[edi + ${8 * random.below(8)}]`, source(random)]);

const USUAL: readonly Maker[] = [
  (random) => `fld ${random.pick(['dword', 'qword', 'qword', 'tword'])} ${source(random)}`,
  (random) => `fld ${random.pick(['dword', 'qword', 'qword', 'tword'])} ${source(random)}`,
  (random) => `fild ${random.pick(['word', 'dword', 'qword'])} ${source(random)}`,
  (random) => `fld ${st(random)}`,
  (random) => random.pick(CONSTANTS),
  (random) => `${random.pick(['fst', 'fstp'])} ${random.pick(['dword', 'qword'])} ${target(random)}`,
  (random) => `fstp ${random.pick(['dword', 'qword', 'tword'])} ${target(random)}`,
  (random) => `${random.pick(['fist', 'fistp'])} ${random.pick(['word', 'dword'])} ${target(random)}`,
  (random) => `fistp qword ${target(random)}`,
  (random) => `${random.pick(['fst', 'fstp'])} ${st(random)}`,
  (random) => `${random.pick(ARITHMETIC)} ${random.pick(['dword', 'qword'])} ${source(random)}`,
  (random) => `${random.pick(ARITHMETIC)} st0, ${st(random)}`,
  (random) => `${random.pick(ARITHMETIC)} ${st(random)}, st0`,
  (random) => `${random.pick(ARITHMETIC)}p ${st(random)}, st0`,
  (random) => `fi${random.pick(ARITHMETIC).slice(1)} ${random.pick(['word', 'dword'])} ${source(random)}`,
  (random) => `fxch ${st(random)}`,
  (random) => random.pick(BESIDE_TOP),
  (random) => `fcmov${random.pick(CONDITIONS)} st0, ${st(random)}`,
  (random) => `${random.pick(['fcom', 'fcomp'])} ${random.pick(['dword', 'qword'])} ${source(random)}`,
  (random) => `${random.pick(['fcom', 'fcomp', 'fucom', 'fucomp'])} ${st(random)}`,
  (random) => random.pick(['fcompp', 'fucompp', 'fnop', 'fwait']),
  (random) => `${random.pick(['fcomi', 'fcomip', 'fucomi', 'fucomip'])} st0, ${st(random)}`,
  (random) => random.pick(['fnstsw ax\nsahf', 'fnstsw ax\nadd ebx, eax', `fnstsw ${target(random)}`]),
];

/** Ends with whatever a comparison has left in the flags. */
const branch: Maker = (random, next) => {
  const label = `branch${next()}`;
  const condition = random.pick(['b', 'e', 'be', 'p', 'nb', 'ne', 'nbe', 'np', 's', 'o']);
  return `j${condition} ${label}\n${random.pick(USUAL)(random, next)}\n${label}:`;
};

/** They leave the stack as it is. */
const TIDY_UNUSUAL: readonly Maker[] = [
  (random) => `fldcw [${WORDS + 2 * random.below(CONTROL_WORDS.length)}]`,
  (random) => `fnstcw ${target(random)}`,
  () => `fnstenv [${IMAGE}]`,
  () => `fnstenv [${IMAGE}]\nfldenv [${IMAGE}]`,
  () => `fnsave [${IMAGE}]\nfrstor [${IMAGE}]`,
  () => `fxsave [${IMAGE}]`,
  () => `fxsave [${IMAGE}]\nfxrstor [${IMAGE}]`,
  () => `mov eax, cr0\nor eax, 8\nmov cr0, eax`,
  () => `mov eax, cr0\nxor eax, 0x20\nmov cr0, eax`,
  () => `mov eax, cr0\nor eax, 2\nmov cr0, eax\nclts`,
];

const UNUSUAL: readonly Maker[] = [
  ...TIDY_UNUSUAL,
  (random) => random.pick(APART),
  (random) => `ffree ${st(random)}`,
  (random) => random.pick(['fincstp', 'fdecstp', 'fnclex']),
  () => `fldcw [${WORDS}]\nfninit`,
  (random) => `and dword [${entryOf(PAGE)}], ~1\ninvlpg [${PAGE}]\n${reach(random)}`,
  (random) => `and dword [${entryOf(PAGE)}], ~2\ninvlpg [${PAGE}]\n${reach(random)}`,
  (random) => `call ${random.pick(['push_one', 'pop_one', 'compute'])}`,
];

/** Some instruction with an operand in the page that is not there, or half in it. */
const reach = (random: Random): string =>
  random.pick(['fld qword', 'fstp qword', 'fst dword', 'fadd qword', 'fistp dword', 'fcomp dword', 'fstp tword']) +
  ` [${PAGE + random.pick([-4, 0, 8, 0xffc])}]`;

/** By how much the stack grows, and how many registers must be full before. */
function useOfStack(text: string): { grows: number; needs: number } {
  const [, name] = /^(\w+)/.exec(text)!;
  const registers = [...text.matchAll(/st(\d)/g)].map(([, number]) => Number(number) + 1);
  const isTwo = /pp$|^fscale|^fprem/.test(name);
  if (/^fi?ld|^fxtract/.test(name)) return { grows: 1, needs: Math.max(0, ...registers, name === 'fxtract' ? 1 : 0) };
  const grows = name === 'fnop' ? 0 : name.endsWith('pp') ? -2 : name.endsWith('p') ? -1 : 0;
  return { grows, needs: Math.max(isTwo ? 2 : name.startsWith('fn') || name === 'fwait' ? 0 : 1, ...registers) };
}

export interface Shape {
  /** Instructions of a part. */
  readonly length: number;
  /** One instruction in so many is of the unusual kinds. */
  readonly unusual: number;
  /** There are no stack faults but those that unusual instructions lead to. */
  readonly tidy: boolean;
}

export function x87Program(random: Random, { length, unusual, tidy }: Shape): HotProgram {
  let labels = 0;
  const next = () => labels++;
  const some = (count: number): string =>
    Array.from({ length: count }, () => {
      if (random.oneIn(unusual)) return random.pick(UNUSUAL)(random, next);
      return random.oneIn(8) ? branch(random, next) : random.pick(USUAL)(random, next);
    }).join('\n');
  /** From one number of full registers to another. */
  const tidied = (from: number, to: number): string => {
    const lines: string[] = [];
    let full = from;
    while (lines.length < length) {
      if (random.oneIn(unusual)) lines.push(random.pick(TIDY_UNUSUAL)(random, next));
      const line = random.pick(USUAL)(random, next);
      const { grows, needs } = useOfStack(line);
      if (needs > full || full + grows > 8) continue;
      full += grows;
      lines.push(line);
    }
    for (; full > to; full--) lines.push(random.pick(['fstp st0', `fstp qword [edi + ${8 * full}]`]));
    for (; full < to; full++) lines.push('fld1');
    return lines.join('\n');
  };
  const part = (from: number, to: number) => (tidy ? tidied(from, to) : some(length));
  const operands = makeOperands(random);
  const [going, half] = [`going${next()}`, `half${next()}`];
  return {
    paging: true,
    needsReference: true,
    source: `${loadSegment('fs', 0x40)}
      mov ebx, 0
      mov ecx, ${ROUNDS}
      fninit
      again: mov esi, ecx
      and esi, ${OPERANDS - 16}
      shl esi, 3
      add esi, ${DATA}
      mov ebp, esi
      mov edi, ${OUT}
      test ecx, 7
      jnz ${going}
      fninit
      ${going}: ${part(0, 2)}
      test ecx, ${1 << random.below(3)}
      jz ${half}
      ${part(2, 2)}
      ${half}: ${part(2, 0)}
      dec ecx
      jnz again
      mov eax, cr0
      and eax, ~12
      mov cr0, eax
      fnsave [${IMAGE}]`,
    handlers: `push_one: fld1\n${some(2)}\nret
      pop_one: ${some(2)}\nfstp st0\nret
      compute: fmul st0, st1\nfadd qword [esi]\nret
      vector_7: push eax\nmov eax, cr0\nand eax, ~12\nmov cr0, eax\npop eax\niretd
      vector_14: or dword [${entryOf(PAGE)}], 3\nadd esp, 4\niretd
      vector_16: fnstenv [${IMAGE + 0x400}]\nfnclex\niretd`,
    prepare(machine) {
      operands.forEach((word, index) => {
        machine.write32(DATA + 4 * index, word);
      });
      CONTROL_WORDS.forEach((word, index) => {
        machine.memory.write(WORDS + 2 * index, word, 2);
      });
    },
  };
}

/** Words: doubles of the usual kind, and whatever else memory may hold. */
function makeOperands(random: Random): readonly number[] {
  const vector = new X87Vector(random.below(1 << 30));
  const usual = new DataView(new ArrayBuffer(8));
  return Array.from({ length: OPERANDS }, () => {
    vector.next();
    usual.setFloat64(0, (random.below(2000) - 1000) / 8, true);
    const view = random.oneIn(3) ? usual : vector.memory;
    return [view.getUint32(0, true), view.getUint32(4, true)];
  }).flat();
}
