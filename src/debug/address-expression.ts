/**
 * Addresses as people write them: `7c00`, `0x7c00`, `7c00h`, `b800:10`, `ss:esp`, `$eip+10`: sums of hexadecimal numbers
 * and registers, with a segment before them or not.
 *
 * A sum without a segment is a linear address; there `eip` (or `pc`) is the linear address of the next instruction, as
 * in QEMU's monitor. With a segment it is an offset, and `cs:eip` says the same. A segment is a segment register, which
 * stands for its base, or a number: what such a register holds, or in real-address mode paragraph × 16.
 */
import { shown } from '../base/argument-check.ts';
import { UserError } from '../base/errors.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { usesDescriptors } from '../cpu/processor-mode.ts';
import { CS } from '../cpu/segmentation.ts';
import { REGISTERS, SEGMENT_NAMES } from '../isa/register-names.ts';

const LIMIT = 2 ** 32;
const NUMBER = /^(?:0x([0-9a-f]+)|([0-9a-f]+)h|([0-9a-f]+))$/;
const NAME = /^\$?([a-z][a-z0-9]*)$/;

/** Linear address of the instruction to be executed next. */
export function instructionAddress({ state }: Cpu): number {
  return (state.segments[CS].base + state.ip) % LIMIT;
}

/** @returns a linear address. @throws UserError naming the word that is wrong */
export function evaluateAddress(text: string, cpu: Cpu): number {
  const [first, second, ...more] = text.toLowerCase().split(':');
  if (more.length > 0) throw new UserError(`${shown(text)} is not an address: it has more than one colon`);
  if (second === undefined) return sum(first!, { cpu, whole: text, pc: instructionAddress(cpu) });
  return (segmentBase(first!, cpu, text) + sum(second, { cpu, whole: text, pc: cpu.state.ip })) % LIMIT;
}

/** @returns undefined for what is not a hexadecimal number */
export function parseHexadecimal(text: string): number | undefined {
  const digits = NUMBER.exec(text.toLowerCase())
    ?.slice(1)
    .find((group) => group !== undefined);
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

interface SumContext {
  readonly cpu: Cpu;
  readonly whole: string;
  /** What `eip` stands for. */
  readonly pc: number;
}

function sum(text: string, context: SumContext): number {
  // A sign before each term: '10-4' is '+10', '-4'.
  const terms = `+${text}`;
  let total = 0;
  for (const [, sign, word] of terms.matchAll(/([+-])([^+-]*)/g)) {
    const value = term(word!, context);
    total += sign === '-' ? -value : value;
  }
  return ((total % LIMIT) + LIMIT) % LIMIT;
}

function term(word: string, { cpu, whole, pc }: SumContext): number {
  const where = word === whole.toLowerCase() ? '' : ` in ${shown(whole)}`;
  if (word === '') throw new UserError(`${shown(whole)} is not an address: a number or register is missing`);
  const name = NAME.exec(word)?.[1];
  const register = name === undefined ? undefined : readRegister(name, cpu, pc);
  if (register !== undefined) return register;
  const value = parseHexadecimal(word);
  if (value === undefined)
    throw new UserError(`${shown(word)}${where} is neither a hexadecimal number nor a register (see h)`);
  if (value >= LIMIT) throw new UserError(`${shown(word)}${where} is too large: an address has 32 bits`);
  return value;
}

/** Registers go before numbers: `ah` is a register, 0ah the number. */
function readRegister(name: string, { state }: Cpu, pc: number): number | undefined {
  if (name === 'pc' || name === 'ip' || name === 'eip') return pc;
  const control = { cr0: state.cr0, cr2: state.cr2, cr3: state.cr3, cr4: state.cr4 }[name];
  if (control !== undefined) return control % LIMIT;
  const register = REGISTERS.get(name);
  if (register?.class === 'segment') return state.segments[register.number].selector;
  if (register?.class !== 'gpr' || register.number >= 8 || register.width > 32) return undefined;
  if (register.width === 32) return state.reg32(register.number);
  if (register.width === 16) return state.reg32(register.number) & 0xffff;
  if (register.needsRex) return undefined;
  return (state.reg32(register.number & 3) >>> (register.high ? 8 : 0)) & 0xff;
}

function segmentBase(word: string, { state }: Cpu, whole: string): number {
  const index = SEGMENT_NAMES.indexOf(word.replace('$', '') as never);
  if (index >= 0) return state.segments[index].base;
  const selector = parseHexadecimal(word);
  if (selector === undefined || selector > 0xffff)
    throw new UserError(`${shown(word)} in ${shown(whole)} is neither a segment register nor a selector`);
  if (!usesDescriptors(state)) return selector * 16;
  const loaded = SEGMENT_NAMES.findIndex((_, number) => state.segments[number].selector === selector);
  if (loaded < 0) throw new UserError(`no segment register holds the selector ${shown(word)} of ${shown(whole)}`);
  return state.segments[loaded].base;
}
