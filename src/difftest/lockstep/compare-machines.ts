/** Two machines side by side: whether their guests could tell them apart, and by what. */
import { PAGE_SIZE } from '../../base/address.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import { EFLAGS, readEflags } from '../../cpu/flags.ts';
import { hashRegisters, VISIBLE_FIELDS } from '../../cpu/state-hash.ts';
import { STATE } from '../../cpu/state-layout.ts';
import { gprName, SEGMENT_NAMES } from '../../isa/register-names.ts';
import type { LockstepMachine } from './lockstep-machine.ts';

type Two<Item> = readonly [Item, Item];

/** What is looked at of a machine. */
export type Comparable = Pick<LockstepMachine, 'processor' | 'surroundings'>;

/** Something that has a name and is not the same on both sides. */
export interface FieldDifference {
  readonly name: string;
  readonly values: Two<string>;
}

export interface ByteDifference {
  readonly physical: number;
  readonly values: Two<number>;
}

export interface MachineDifferences {
  readonly fields: readonly FieldDifference[];
  /** The first of them. */
  readonly bytes: readonly ByteDifference[];
  /** Numbers of the 4 KiB pages of memory that differ, all of them. */
  readonly pages: readonly number[];
}

/** Bytes of memory that are listed. */
const LISTED = 16;
/** Characters of a chip's state on either side of the first difference. */
const CONTEXT = 40;
const XMM_COUNT = 16;
const X87_COUNT = 8;

/** The cheap comparison: registers, count and guest time. */
export const registersDiffer = (machines: Two<Comparable>): boolean => {
  const [first, second] = machines.map(({ processor }) =>
    [hashRegisters(processor, processor.retired), processor.timeStampCount].join(' '),
  );
  return first !== second;
};

/** Everything that the state hash covers, compared without hashing. */
export const machinesDiffer = (machines: Two<Comparable>): boolean =>
  registersDiffer(machines) || surroundingsOf(machines).length > 0 || !differingPages(machines).next().done;

export function compareMachines(machines: Two<Comparable>): MachineDifferences {
  const pages = [...differingPages(machines)];
  const [first, second] = machines.map(({ processor }) => registersOf(processor)) as [Fields, Fields];
  const registers = [...first].flatMap(([name, value]) =>
    value === second.get(name) ? [] : [{ name, values: [value, second.get(name)!] as const }],
  );
  const bytes: ByteDifference[] = [];
  for (const page of pages) if (bytes.length < LISTED) bytes.push(...bytesOf(machines, page));
  return { fields: [...registers, ...surroundingsOf(machines)], bytes: bytes.slice(0, LISTED), pages };
}

type Fields = ReadonlyMap<string, string>;

/** What a programmer would call the parts of the state, each as text. */
function registersOf(cpu: Cpu): Fields {
  const { state, pool } = cpu;
  const eflags = readEflags(state);
  const { u8 } = pool.views;
  const wide = (at: number): string =>
    [...u8.subarray(state.address + at, state.address + at + 16)].reverse().map(hexByte).join('');
  const list = <Item>(count: number, item: (index: number) => Item): Item[] =>
    Array.from({ length: count }, (_, index) => item(index));
  return new Map<string, string>([
    ['instructions', String(cpu.retired)],
    ...list(16, (index) => [gprName(index, index < 8 ? 32 : 64, false), hex(state.reg64(index))] as const),
    ['eflags', hex(eflags)],
    ...Object.entries(EFLAGS).map(([name, mask]) => [name, String((eflags & mask) / (mask & -mask))] as const),
    ...VISIBLE_FIELDS.map((name) => [name, hex(state[name])] as const),
    ...[...SEGMENT_NAMES, 'ldtr', 'tr'].flatMap((segment, index) =>
      (['selector', 'base', 'limit', 'access', 'low', 'highRead', 'highWrite'] as const).map(
        (part) => [`${segment}.${part}`, hex(state.segments[index][part])] as const,
      ),
    ),
    ...list(X87_COUNT, (index) => [`x87 R${index}`, wide(STATE.x87 + index * 16)] as const),
    ...list(XMM_COUNT, (index) => [`xmm${index}`, wide(STATE.xmm + index * 16)] as const),
  ]);
}

function surroundingsOf([first, second]: Two<Comparable>): FieldDifference[] {
  const others = new Map(second.surroundings());
  return first.surroundings().flatMap(([name, text]) => {
    const other = others.get(name) ?? '';
    return text === other ? [] : [{ name, values: excerpts(text, other) }];
  });
}

/** Both texts around the first character that is not the same. */
function excerpts(first: string, second: string): Two<string> {
  let at = 0;
  while (at < first.length && first[at] === second[at]) at++;
  const cut = (text: string): string => {
    const [start, end] = [Math.max(at - CONTEXT, 0), at + CONTEXT];
    return `${start > 0 ? '…' : ''}${text.slice(start, end)}${end < text.length ? '…' : ''}`;
  };
  return [cut(first), cut(second)];
}

/** Pages whose contents differ; one without memory is like no other, one never written is full of zeros. */
function* differingPages([first, second]: Two<Comparable>): Generator<number> {
  const [one, other] = [first.processor, second.processor];
  const pages = Math.max(one.memory.size, other.memory.size) / PAGE_SIZE;
  const [zeroOne, zeroOther] = [one.pool.frames.zeroFrame, other.pool.frames.zeroFrame];
  const [bytes, otherBytes] = [one, other].map(({ pool }) => Buffer.from(pool.views.u8.buffer)) as [Buffer, Buffer];
  for (let page = 0; page < pages; page++) {
    const [at, there] = [one.memory.frameForRead(page), other.memory.frameForRead(page)];
    if (at === 0 || there === 0) {
      if (at !== there) yield page;
    } else if (at !== zeroOne || there !== zeroOther) {
      if (bytes.compare(otherBytes, there, there + PAGE_SIZE, at, at + PAGE_SIZE) !== 0) yield page;
    }
  }
}

function bytesOf(machines: Two<Comparable>, page: number): ByteDifference[] {
  const start = page * PAGE_SIZE;
  const [first, second] = machines.map(({ processor }) => processor.memory.copyOut(start, PAGE_SIZE)) as [
    Uint8Array,
    Uint8Array,
  ];
  return [...first].flatMap((value, offset) =>
    value === second[offset] ? [] : [{ physical: start + offset, values: [value, second[offset]] as const }],
  );
}

const hexByte = (byte: number): string => byte.toString(16).padStart(2, '0');
const hex = (value: number | bigint): string => value.toString(16).padStart(8, '0');
