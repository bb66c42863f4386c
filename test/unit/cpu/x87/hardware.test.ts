import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Float80 } from '../../../../src/cpu/x87/float80.ts';
import { type FpuResult, type FpuState, X87Machine } from './x87-machine.ts';
import { decodeResult, FORMS, kindOf, makeVectors, type X87Form } from './x87-vectors.ts';

const RECORDED = JSON.parse(readFileSync(join(import.meta.dirname, 'hardware-vectors.json'), 'utf8')) as Record<
  string,
  string
>;
const PE = 0x20;
const C1 = 0x200;

const show = ({ sign, exponent, significand }: Float80): string =>
  `${sign ? '-' : '+'}${exponent.toString(16).padStart(4, '0')}:${significand.toString(16).padStart(16, '0')}`;
const hex = (value: number) => value.toString(16);

/** Position among the numbers of the format: neighbours differ by one. */
const ordinal = ({ sign, exponent, significand }: Float80): bigint => {
  const magnitude = (BigInt(exponent) << 63n) | BigInt.asUintN(63, significand);
  return sign ? -magnitude : magnitude;
};

function isNear(left: Float80, right: Float80): boolean {
  const distance = ordinal(left) - ordinal(right);
  return left.sign === right.sign && distance >= -1n && distance <= 1n;
}

function differences(form: X87Form, actual: FpuResult, recorded: FpuResult): string[] {
  const found: string[] = [];
  const check = (what: string, left: number, right: number) => {
    if (left !== right) found.push(`${what} ${hex(left)}, hardware ${hex(right)}`);
  };
  // C1 tells which way an approximate result was rounded.
  const ignored = form.approximate && actual.status & recorded.status & PE ? C1 : 0;
  check('status', actual.status & ~ignored, recorded.status & ~ignored);
  check('control', actual.control, recorded.control);
  check('tags', actual.tags, recorded.tags);
  check('flags', actual.flags, recorded.flags);
  check('ax', actual.ax, recorded.ax);
  actual.stack.forEach((value, index) => {
    const other = recorded.stack[index];
    if (show(value) !== show(other) && !(form.approximate && isNear(value, other))) {
      found.push(`ST(${index}) ${show(value)}, hardware ${show(other)}`);
    }
  });
  actual.memory.forEach((byte, index) => {
    if (byte !== recorded.memory[index])
      found.push(`memory[${index}] ${hex(byte)}, hardware ${hex(recorded.memory[index])}`);
  });
  return found;
}

const describeInput = ({ control, status, tags, stack, memory }: FpuState): string =>
  `control ${hex(control)} status ${hex(status)} tags ${hex(tags)} ST(0) ${show(stack[0])} ST(1) ${show(stack[1])} memory ${[...memory].map(hex).join(' ')}`;

describe('x87 instructions do what a recorded CPU did', () => {
  const machine = new X87Machine();

  it.each(FORMS.map((form) => [form.name, form] as const))('%s', (name, form) => {
    const bytes = Uint8Array.from(atob(RECORDED[name]), (character) => character.charCodeAt(0));
    const wrong: string[] = [];
    let position = 0;
    for (const vector of makeVectors(form)) {
      const { after, next } = decodeResult(vector, bytes, position);
      position = next;
      const found = differences(form, machine.run(Uint8Array.from(form.code), vector), after);
      if (found.length > 0) wrong.push(`${describeInput(vector)}: ${found.join('; ')}`);
    }
    expect(wrong.slice(0, 3)).toEqual([]);
    expect(position).toBe(bytes.length);
  });
});

describe('the recorded vectors', () => {
  it('cover every kind of operand in both registers, every rounding and precision, masked and unmasked', () => {
    const seen = new Set<string>();
    for (const vector of makeVectors(FORMS.find(({ name }) => name === 'fadd st0, st1')!)) {
      seen.add(`${kindOf(vector.stack[0])} ${kindOf(vector.stack[1])}`);
      seen.add(`control ${(vector.control >> 8) & 15}`);
      for (const flag of [1, 2, 4, 8, 16, 32]) seen.add(`mask ${flag} ${(vector.control & flag) !== 0}`);
    }
    expect([...seen].filter((what) => what.startsWith('control')).length).toBe(12);
    expect([...seen].filter((what) => what.startsWith('mask')).length).toBe(12);
    expect([...seen].filter((what) => !/^(control|mask)/.test(what)).length).toBe(49);
  });

  it('make every exception happen, masked and unmasked', () => {
    const raised = new Set<string>();
    for (const form of FORMS) {
      const bytes = Uint8Array.from(atob(RECORDED[form.name]), (character) => character.charCodeAt(0));
      let position = 0;
      for (const vector of makeVectors(form)) {
        const { after, next } = decodeResult(vector, bytes, position);
        position = next;
        for (const flag of [1, 2, 4, 8, 16, 32]) {
          if (after.status & ~vector.status & flag)
            raised.add(`${flag} ${vector.control & flag ? 'masked' : 'unmasked'}`);
        }
      }
    }
    expect(raised.size).toBe(12);
  });
});
