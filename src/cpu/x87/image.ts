/**
 * FSTENV, FLDENV, FSAVE, FRSTOR: images of the FPU in memory. SDM Vol. 1, "Protected Mode x87 FPU State Image in Memory,
 * 32-Bit Format" and the three figures after it.
 *
 * A store first checks the whole range for writing, a load reads everything before it changes anything, so a fault
 * leaves FPU and memory as they were.
 */
import type { Cpu } from '../cpu.ts';
import { isRealMode, isVirtual8086 } from '../processor-mode.ts';
import type { CpuState } from '../state-layout.ts';
import { EXCEPTIONS } from './control.ts';
import type { Float80 } from './float80.ts';
import {
  initialize,
  readStack,
  readTagWord,
  topOfStack,
  writeControl,
  writePhysical,
  writeTagWord,
} from './x87-state.ts';

/** Where an image lies: segment register and offset of its first byte. */
export interface ImagePlace {
  readonly segment: number;
  readonly offset: number;
}

/** Seven fields of two or four bytes each. */
const FIELD_COUNT = 7;
const REGISTER_BYTES = 10;
/** What CPUs write into the unused upper halves of 32-bit fields. */
const RESERVED = 0xffff_0000;

const isWide = (operandSize: number): boolean => operandSize !== 16;
const fieldBytes = (operandSize: number): 2 | 4 => (isWide(operandSize) ? 4 : 2);
const environmentBytes = (operandSize: number): number => FIELD_COUNT * fieldBytes(operandSize);

/** Images hold linear addresses in real-address and virtual-8086 mode, selector and offset otherwise. */
const holdsLinearAddresses = (state: CpuState): boolean => isRealMode(state) || isVirtual8086(state);
const linear = (selector: number, offset: number): number => (selector * 16 + offset) >>> 0;

/** The seven fields in order. */
function environmentFields(state: CpuState, operandSize: number): number[] {
  const words = [state.fcw, state.fsw, readTagWord(state)];
  if (!holdsLinearAddresses(state)) {
    const [ip, dp] = [state.fip, state.fdp].map((pointer) => Number(BigInt.asUintN(32, BigInt(pointer))));
    if (!isWide(operandSize)) return [...words, ip!, state.fcs, dp!, state.fds];
    const selectors = [state.fcs | (state.fop << 16), state.fds | RESERVED];
    return [...words.map((word) => word | RESERVED), ip!, selectors[0], dp!, selectors[1]];
  }
  const ip = linear(state.fcs, state.fip);
  const dp = linear(state.fds, state.fdp);
  if (!isWide(operandSize)) return [...words, ip, ((ip >> 4) & 0xf000) | state.fop, dp, (dp >> 4) & 0xf000];
  return [
    ...words.map((word) => word | RESERVED),
    (ip & 0xffff) | RESERVED,
    ((ip >>> 16) << 12) | state.fop,
    (dp & 0xffff) | RESERVED,
    (dp >>> 16) << 12,
  ];
}

function storeFields(cpu: Cpu, { segment, offset }: ImagePlace, operandSize: number): void {
  const size = fieldBytes(operandSize);
  const mask = size === 2 ? 0xffff : 0xffff_ffff;
  environmentFields(cpu.state, operandSize).forEach((field, index) => {
    cpu.mmu.writeSegment(segment, offset + index * size, (field & mask) >>> 0, size);
  });
}

function loadFields({ mmu }: Cpu, { segment, offset }: ImagePlace, operandSize: number): number[] {
  const size = fieldBytes(operandSize);
  return Array.from({ length: FIELD_COUNT }, (_, index) => mmu.readSegment(segment, offset + index * size, size) >>> 0);
}

function applyFields(state: CpuState, fields: readonly number[], operandSize: number): void {
  const [control, status, tags, ip, code, dp, data] = fields as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (holdsLinearAddresses(state)) {
    const shift = isWide(operandSize) ? 0x0fff_f000 : 0xf000;
    state.fip = ((ip & 0xffff) | ((code & shift) << 4)) >>> 0;
    state.fdp = ((dp & 0xffff) | ((data & shift) << 4)) >>> 0;
    state.fcs = 0;
    state.fds = 0;
    state.fop = code & 0x7ff;
  } else {
    state.fip = ip;
    state.fdp = dp;
    state.fcs = code & 0xffff;
    state.fds = data & 0xffff;
    if (isWide(operandSize)) state.fop = (code >>> 16) & 0x7ff;
  }
  writeTagWord(state, tags & 0xffff);
  // Status first: the control word decides which of its exceptions are pending.
  state.fsw = status & 0xffff;
  writeControl(state, control & 0xffff);
}

/** FNSTENV: all exceptions are masked afterwards. */
export function storeEnvironment(cpu: Cpu, place: ImagePlace, operandSize: number): void {
  cpu.mmu.probeWriteSegment(place.segment, place.offset, environmentBytes(operandSize));
  storeFields(cpu, place, operandSize);
  writeControl(cpu.state, cpu.state.fcw | EXCEPTIONS);
}

export function loadEnvironment(cpu: Cpu, place: ImagePlace, operandSize: number): void {
  applyFields(cpu.state, loadFields(cpu, place, operandSize), operandSize);
}

/** FNSAVE: environment, then ST(0)..ST(7); the FPU is initialised afterwards. */
export function saveState(cpu: Cpu, place: ImagePlace, operandSize: number): void {
  const { segment, offset } = place;
  const start = offset + environmentBytes(operandSize);
  cpu.mmu.probeWriteSegment(segment, offset, environmentBytes(operandSize) + 8 * REGISTER_BYTES);
  storeFields(cpu, place, operandSize);
  for (let index = 0; index < 8; index++) {
    const { sign, exponent, significand } = readStack(cpu.state, index);
    cpu.mmu.writeSegment64(segment, start + index * REGISTER_BYTES, significand);
    cpu.mmu.writeSegment(segment, start + index * REGISTER_BYTES + 8, (sign << 15) | exponent, 2);
  }
  initialize(cpu.state);
}

export function restoreState(cpu: Cpu, place: ImagePlace, operandSize: number): void {
  const { segment, offset } = place;
  const start = offset + environmentBytes(operandSize);
  const fields = loadFields(cpu, place, operandSize);
  const registers = Array.from({ length: 8 }, (_, index) => readFloat80(cpu, segment, start + index * REGISTER_BYTES));
  applyFields(cpu.state, fields, operandSize);
  writeStackRegisters(cpu.state, registers);
}

/** A register image: significand, then sign and exponent. */
export function readFloat80({ mmu }: Cpu, segment: number, offset: number): Float80 {
  const significand = BigInt.asUintN(64, mmu.readSegment64(segment, offset));
  const signExponent = mmu.readSegment(segment, offset + 8, 2);
  return { sign: ((signExponent >> 15) & 1) as 0 | 1, exponent: signExponent & 0x7fff, significand };
}

/** Contents of ST(0)..ST(7); tags stay. */
export function writeStackRegisters(state: CpuState, registers: readonly Float80[]): void {
  for (const [index, value] of registers.entries()) writePhysical(state, (topOfStack(state) + index) & 7, value);
}
