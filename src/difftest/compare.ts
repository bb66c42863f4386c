/** Compares what a vector did on an oracle with what the reference evaluator says, leaving out what is undefined. */
import { GPR } from '../isa/semantics.ts';
import type { ReferenceOutcome } from './reference-oracle.ts';
import type { Outcome, Vector } from './vector.ts';

/** Flags that vectors set and compare: the status flags and DF. */
export const COMPARED_FLAGS = 0xcd5;
const FLAG_NAMES = [
  [0x1, 'CF'],
  [0x4, 'PF'],
  [0x10, 'AF'],
  [0x40, 'ZF'],
  [0x80, 'SF'],
  [0x400, 'DF'],
  [0x800, 'OF'],
] as const;
const NAMES_64 = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
];
const NAMES_32 = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];

export const flagNames = (flags: number): string =>
  FLAG_NAMES.filter(([bit]) => flags & bit)
    .map(([, name]) => name)
    .join(' ') || '-';

const hex = (value: bigint | number): string => value.toString(16);

/** How precise a comparison is. */
export interface ComparisonOptions {
  /** x87 register results may differ by this many units in the last place (transcendental functions). */
  readonly ulps?: number;
  /** Bits of the x87 status word that the manual leaves undefined, or leaves to the CPU. */
  readonly ignoredStatus?: number;
  /** A page fault may name any byte of the operand that is missing. */
  readonly anyFaultAddress?: boolean;
  /** #SS(0) counts as #GP(0): for an unaligned operand in SS, AMD CPUs raise the former, the manual says the latter. */
  readonly stackFaultAsProtection?: boolean;
  /** Bytes of the operand that are not compared, by offset from its first one. */
  readonly ignoredOperandBytes?: readonly [first: number, last: number];
  /** A fault may leave the general registers loaded that came first, all but rSP: AMD CPUs do, the manual restores them. */
  readonly partialLoads?: boolean;
  /** A fault in the midst of a repetition may leave the flags of the comparison before it, or those from the beginning. */
  readonly anyFlagsAtFault?: boolean;
  /** Outcomes of this vector are undefined (an operand outside of the function's range). */
  readonly undefinedResult?: (vector: Vector) => boolean;
}

/** Differences in words, one per place; empty if the outcomes agree. */
export function compareOutcomes(
  vector: Vector,
  expected: ReferenceOutcome,
  actual: Outcome,
  options: ComparisonOptions = {},
): string[] {
  if (options.undefinedResult?.(vector)) return [];
  const differences: string[] = actual.broken === undefined ? [] : [actual.broken];
  const note = (what: string, ours: string, theirs: string) => {
    differences.push(`${what}: ${ours}, not ${theirs}`);
  };
  const [ours, theirs] = [expected, actual].map((outcome) => describeEnding(outcome, options)) as [string, string];
  if (ours !== theirs) note('ending', ours, theirs);

  const names = vector.mode === 64 ? NAMES_64 : NAMES_32;
  const partial = options.partialLoads === true && actual.ending.kind === 'fault';
  names.forEach((name, register) => {
    if (partial && register !== GPR.rSP) return;
    const [left, right] = [expected.final.registers[register], actual.final.registers[register]];
    if (((left ^ right) & ~expected.undefinedRegisters[register]) !== 0n) note(name, hex(left), hex(right));
  });

  const anyFlags = options.anyFlagsAtFault === true && actual.ending.kind === 'fault';
  const mask = anyFlags ? 0 : COMPARED_FLAGS & ~expected.undefinedFlags;
  const changed = (expected.final.flags ^ actual.final.flags) & mask;
  if (changed !== 0) {
    note(
      'flags',
      flagNames(expected.final.flags & changed),
      `${flagNames(actual.final.flags & changed)} (of ${flagNames(changed)})`,
    );
  }

  expected.final.memory.forEach((byte, index) => {
    const other = actual.final.memory[index];
    if (((byte ^ other) & ~expected.undefinedMemory[index]) === 0) return;
    const offset = index - expected.firstAccess;
    const [first, last] = options.ignoredOperandBytes ?? [1, 0];
    if (offset >= first && offset <= last) return;
    note(`byte at ${hex(vector.window + index)}`, hex(byte), hex(other));
  });

  const [x, y] = [expected.final.x87, actual.final.x87];
  if (x && y) {
    if (x.controlWord !== y.controlWord) note('FCW', hex(x.controlWord), hex(y.controlWord));
    if ((x.statusWord ^ y.statusWord) & ~(options.ignoredStatus ?? 0))
      note('FSW', hex(x.statusWord), hex(y.statusWord));
    if (x.tags !== y.tags) note('tags', hex(x.tags), hex(y.tags));
    x.stack.forEach((value, index) => {
      const other = y.stack[index];
      if (value === other) return;
      if (options.ulps !== undefined && distance(value, other) <= BigInt(options.ulps)) return;
      note(`ST(${index})`, hex(value), hex(other));
    });
  }
  return differences;
}

/** Units in the last place between two 80-bit numbers of one sign. */
function distance(left: bigint, right: bigint): bigint {
  if (left >> 79n !== right >> 79n) return 1n << 80n;
  // Without the explicit integer bit, neighbouring numbers have neighbouring bit patterns.
  const order = (value: bigint) => (((value >> 64n) & 0x7fffn) << 63n) | BigInt.asUintN(63, value);
  const difference = order(left) - order(right);
  return difference < 0n ? -difference : difference;
}

export function describeEnding({ ending }: Outcome, options: ComparisonOptions = {}): string {
  if (ending.kind === 'next') return `goes on at ${hex(ending.ip)}`;
  const address = ending.address === undefined || options.anyFaultAddress ? '' : ` address ${hex(ending.address)}`;
  const vector = options.stackFaultAsProtection && ending.vector === 12 ? 13 : ending.vector;
  return `exception ${vector} error ${hex(ending.errorCode)}${address} at ${hex(ending.ip)}`;
}

/** A vector as text from which it can be made again. */
export function describeVector(vector: Vector): string {
  const { initial } = vector;
  const names = vector.mode === 64 ? NAMES_64 : NAMES_32;
  const lines = [
    `${vector.mode}-bit code ${Buffer.from(vector.code).toString('hex')}`,
    names.map((name, register) => `${name}=${hex(initial.registers[register])}`).join(' '),
    `flags=${hex(initial.flags)} (${flagNames(initial.flags)}) window=${hex(vector.window)}`,
    `memory ${Buffer.from(initial.memory).toString('hex')}`,
  ];
  if (initial.x87) {
    const { controlWord, statusWord, tags, stack } = initial.x87;
    lines.push(`FCW=${hex(controlWord)} FSW=${hex(statusWord)} tags=${hex(tags)} ST ${stack.map(hex).join(' ')}`);
  }
  return lines.join('\n  ');
}
