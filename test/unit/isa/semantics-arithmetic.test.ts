import { describe, expect, it } from 'vitest';
import {
  createMachine,
  EA,
  type FormOptions,
  type Machine,
  prepare,
  readMemory,
  writeMemory,
} from '../../support/tiny-machine.ts';

/** What an operation leaves, as a model written from the manual says; flags left out are not compared. */
interface Outcome {
  readonly result: bigint;
  readonly flags: Partial<Record<string, boolean>>;
}

const mask = (width: number) => (1n << BigInt(width)) - 1n;
const signedOf = (value: bigint, width: number) => BigInt.asIntN(width, value);
const evenParity = (value: bigint) =>
  [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].filter((at) => (value >> at) & 1n).length % 2 === 0;
const resultFlags = (result: bigint, width: number) => ({
  SF: ((result >> BigInt(width - 1)) & 1n) === 1n,
  ZF: result === 0n,
  PF: evenParity(result),
});
const edges = (width: number): bigint[] => {
  const top = 1n << BigInt(width - 1);
  return [0n, 1n, 2n, 7n, 8n, 0xfn, 0x55n, 0x80n, 0xffn, top - 1n, top, top + 1n, mask(width) - 1n, mask(width)].map(
    (value) => value & mask(width),
  );
};
/** Bytes exhaustively, wider ones by their edges. */
const operandsOf = (width: number): bigint[] =>
  width === 8 ? Array.from({ length: 256 }, (_, value) => BigInt(value)) : edges(width);
const WIDTHS = [8, 16, 32, 64] as const;
const sizeOf = (width: (typeof WIDTHS)[number]): FormOptions => ({ size: width === 8 ? 32 : width });

function differences(machine: Machine, width: number, { result, flags }: Outcome): string {
  const wrong: string[] = [];
  if ((machine.gpr[0] & mask(width)) !== result)
    wrong.push(`result ${machine.gpr[0].toString(16)} ≠ ${result.toString(16)}`);
  for (const [name, value] of Object.entries(flags)) {
    if (machine.undefinedFlags.has(name)) wrong.push(`${name} undefined`);
    else if (machine.flags[name] !== (value ? 1n : 0n)) wrong.push(`${name} ${machine.flags[name]} ≠ ${value}`);
  }
  return wrong.join(', ');
}

describe('ADD, ADC, SUB, SBB, CMP, INC, DEC, NEG: results and all status flags', () => {
  const carryless = (left: bigint, right: bigint, carry: bigint, width: number): Outcome => {
    const exact = left + right + carry;
    const result = exact & mask(width);
    const exactSigned = signedOf(left, width) + signedOf(right, width) + carry;
    return {
      result,
      flags: {
        CF: exact > mask(width),
        OF: exactSigned !== signedOf(result, width),
        AF: (left & 15n) + (right & 15n) + carry > 15n,
        ...resultFlags(result, width),
      },
    };
  };
  const difference = (left: bigint, right: bigint, borrow: bigint, width: number): Outcome => {
    const result = (left - right - borrow) & mask(width);
    const exactSigned = signedOf(left, width) - signedOf(right, width) - borrow;
    return {
      result,
      flags: {
        CF: left < right + borrow,
        OF: exactSigned !== signedOf(result, width),
        AF: (left & 15n) < (right & 15n) + borrow,
        ...resultFlags(result, width),
      },
    };
  };
  const keeping = ({ result, flags: { CF: _, ...flags } }: Outcome, carry: bigint): Outcome => ({
    result,
    flags: { ...flags, CF: carry === 1n },
  });
  const binary: readonly [string, number, (l: bigint, r: bigint, c: bigint, w: number) => Outcome][] = [
    ['add', 0x00, (l, r, _, w) => carryless(l, r, 0n, w)],
    ['adc', 0x10, carryless],
    ['sbb', 0x18, difference],
    ['sub', 0x28, (l, r, _, w) => difference(l, r, 0n, w)],
    ['cmp', 0x38, (l, r, _, w) => ({ ...difference(l, r, 0n, w), result: l })],
  ];
  it.each(binary)('%s', (mnemonic, opcode, model) => {
    const wrong: string[] = [];
    for (const width of WIDTHS) {
      const text = (opcode + (width === 8 ? 0 : 1)).toString(16).toUpperCase().padStart(2, '0');
      const run = prepare(mnemonic, `${text} /r`, sizeOf(width));
      for (const left of operandsOf(width)) {
        for (const right of edges(width)) {
          for (const carry of [0n, 1n]) {
            const machine = createMachine();
            machine.gpr[0] = left;
            machine.gpr[1] = right;
            machine.flags.CF = carry;
            const found = differences(run(machine), width, model(left, right, carry, width));
            if (found) wrong.push(`${width}: ${left} ${right} ${carry}: ${found}`);
          }
        }
      }
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });

  const unary: readonly [string, string, string, (v: bigint, c: bigint, w: number) => Outcome][] = [
    ['inc', 'FE /0', 'FF /0', (v, c, w) => keeping(carryless(v, 1n, 0n, w), c)],
    ['dec', 'FE /1', 'FF /1', (v, c, w) => keeping(difference(v, 1n, 0n, w), c)],
    ['neg', 'F6 /3', 'F7 /3', (v, _, w) => difference(0n, v, 0n, w)],
  ];
  it.each(unary)('%s', (mnemonic, byte, wide, model) => {
    const wrong: string[] = [];
    for (const width of WIDTHS) {
      const run = prepare(mnemonic, width === 8 ? byte : wide, sizeOf(width));
      for (const value of operandsOf(width)) {
        for (const carry of [0n, 1n]) {
          const machine = createMachine();
          machine.gpr[0] = value;
          machine.flags.CF = carry;
          const found = differences(run(machine), width, model(value, carry, width));
          if (found) wrong.push(`${width}: ${value} ${carry}: ${found}`);
        }
      }
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });
});

describe('shifts and rotates, bit by bit as the manual writes them', () => {
  interface State {
    value: bigint;
    carry: boolean;
  }
  /** One position; `width` bits. */
  type Step = (state: State, width: number) => State;
  const top = (value: bigint, width: number) => (value >> BigInt(width - 1)) & 1n;
  const steps: Record<string, Step> = {
    rol: ({ value }, w) => ({ value: ((value << 1n) & mask(w)) | top(value, w), carry: top(value, w) === 1n }),
    ror: ({ value }, w) => ({ value: (value >> 1n) | ((value & 1n) << BigInt(w - 1)), carry: (value & 1n) === 1n }),
    rcl: ({ value, carry }, w) => ({
      value: ((value << 1n) & mask(w)) | (carry ? 1n : 0n),
      carry: top(value, w) === 1n,
    }),
    rcr: ({ value, carry }, w) => ({
      value: (value >> 1n) | ((carry ? 1n : 0n) << BigInt(w - 1)),
      carry: (value & 1n) === 1n,
    }),
    shl: ({ value }, w) => ({ value: (value << 1n) & mask(w), carry: top(value, w) === 1n }),
    shr: ({ value }) => ({ value: value >> 1n, carry: (value & 1n) === 1n }),
    sar: ({ value }, w) => ({ value: BigInt.asUintN(w, signedOf(value, w) >> 1n), carry: (value & 1n) === 1n }),
  };
  const overflows: Record<string, (before: bigint, after: State, width: number) => boolean> = {
    rol: (_, { value, carry }, w) => (top(value, w) === 1n) !== carry,
    ror: (_, { value }, w) => top(value, w) !== ((value >> BigInt(w - 2)) & 1n),
    rcl: (_, { value, carry }, w) => (top(value, w) === 1n) !== carry,
    rcr: (_, { value }, w) => top(value, w) !== ((value >> BigInt(w - 2)) & 1n),
    shl: (_, { value, carry }, w) => (top(value, w) === 1n) !== carry,
    shr: (before, _, w) => top(before, w) === 1n,
    sar: () => false,
  };
  const digits: Record<string, number> = { rol: 0, ror: 1, rcl: 2, rcr: 3, shl: 4, shr: 5, sar: 7 };

  it.each(Object.keys(steps))('%s: every count, masked to 5 bits (6 for 64-bit operands)', (mnemonic) => {
    const wrong: string[] = [];
    const rotates = mnemonic.startsWith('r');
    for (const width of WIDTHS) {
      const run = prepare(mnemonic, `${width === 8 ? 'D2' : 'D3'} /${digits[mnemonic]}`, sizeOf(width));
      for (const before of [...edges(width), 0x5an, 0xa5n, 0x1234_5678_9abc_def1n & mask(width)]) {
        for (let count = 0; count < 72; count++) {
          for (const carry of [0n, 1n]) {
            const machine = createMachine();
            machine.gpr[0] = before;
            machine.gpr[1] = BigInt(count);
            Object.assign(machine.flags, { CF: carry, OF: 1n, SF: 1n, ZF: 1n, PF: 0n });
            const turns = count & (width === 64 ? 63 : 31);
            let state: State = { value: before, carry: carry === 1n };
            for (let turn = 0; turn < turns; turn++) state = steps[mnemonic](state, width);
            const flags: Partial<Record<string, boolean>> = {};
            if (turns === 0) Object.assign(flags, { CF: carry === 1n, OF: true, SF: true, ZF: true, PF: false });
            else {
              const beyond = (mnemonic === 'shl' || mnemonic === 'shr') && turns >= width;
              if (!beyond) flags.CF = state.carry;
              if (turns === 1) flags.OF = overflows[mnemonic](before, state, width);
              if (!rotates) Object.assign(flags, resultFlags(state.value, width));
              else Object.assign(flags, { SF: true, ZF: true, PF: false });
            }
            const found = differences(run(machine), width, { result: state.value, flags });
            if (found) wrong.push(`${width}: ${before.toString(16)} by ${count}, CF=${carry}: ${found}`);
            if (turns > 1 && !machine.undefinedFlags.has('OF')) wrong.push(`${width} by ${count}: OF is defined`);
          }
        }
      }
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });

  it.each([
    ['shld', '0F A5 /r'],
    ['shrd', '0F AD /r'],
  ])('%s', (mnemonic, opcode) => {
    const wrong: string[] = [];
    for (const width of [16, 32, 64] as const) {
      const run = prepare(mnemonic, opcode, { size: width });
      for (const before of edges(width)) {
        for (const filler of edges(width)) {
          for (let count = 0; count < 64; count++) {
            const turns = count & (width === 64 ? 63 : 31);
            if (turns > width) continue; // undefined
            const machine = createMachine();
            machine.inputs.reg = 2n;
            [machine.gpr[0], machine.gpr[1], machine.gpr[2]] = [before, BigInt(count), filler];
            Object.assign(machine.flags, { CF: 1n, OF: 1n, SF: 1n, ZF: 1n, PF: 0n });
            let [value, rest, carry] = [before, filler, true];
            for (let turn = 0; turn < turns; turn++) {
              if (mnemonic === 'shld') {
                carry = top(value, width) === 1n;
                value = ((value << 1n) & mask(width)) | top(rest, width);
                rest = (rest << 1n) & mask(width);
              } else {
                carry = (value & 1n) === 1n;
                value = (value >> 1n) | ((rest & 1n) << BigInt(width - 1));
                rest >>= 1n;
              }
            }
            const flags =
              turns === 0
                ? { CF: true, OF: true, SF: true, ZF: true, PF: false }
                : {
                    CF: carry,
                    ...resultFlags(value, width),
                    ...(turns === 1 && { OF: top(before, width) !== top(value, width) }),
                  };
            const found = differences(run(machine), width, { result: value, flags });
            if (found) wrong.push(`${width}: ${before.toString(16)} ${filler.toString(16)} by ${count}: ${found}`);
          }
        }
      }
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });
});

describe('MUL, IMUL, DIV, IDIV', () => {
  const accumulate = (machine: Machine, width: number, value: bigint) => {
    if (width === 8) machine.gpr[0] = value;
    else [machine.gpr[0], machine.gpr[2]] = [value & mask(width), value >> BigInt(width)];
  };
  const accumulated = (machine: Machine, width: number) =>
    width === 8
      ? machine.gpr[0] & 0xffffn
      : (machine.gpr[0] & mask(width)) | ((machine.gpr[2] & mask(width)) << BigInt(width));

  it.each([
    ['mul', 4],
    ['imul', 5],
  ] as const)('%s: the whole product; CF and OF say that the upper half matters', (mnemonic, digit) => {
    const wrong: string[] = [];
    for (const width of WIDTHS) {
      const run = prepare(mnemonic, `${width === 8 ? 'F6' : 'F7'} /${digit}`, sizeOf(width));
      for (const left of operandsOf(width)) {
        for (const right of edges(width)) {
          const machine = createMachine();
          machine.inputs.rm = 3n;
          [machine.gpr[0], machine.gpr[3]] = [left, right];
          run(machine);
          const [l, r] = digit === 5 ? [signedOf(left, width), signedOf(right, width)] : [left, right];
          const product = l * r;
          const fits = digit === 5 ? BigInt.asIntN(width, product) === product : product <= mask(width);
          const good =
            accumulated(machine, width) === BigInt.asUintN(2 * width, product) &&
            machine.flags.CF === (fits ? 0n : 1n) &&
            machine.flags.OF === machine.flags.CF;
          if (!good) wrong.push(`${width}: ${left} ${right}`);
        }
      }
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });

  it('imul r, r/m and imul r, r/m, imm: the product cut to the operand size', () => {
    const wrong: string[] = [];
    for (const width of [16, 32, 64] as const) {
      const two = prepare('imul', '0F AF /r', { size: width });
      const three = prepare('imul', '69 /r iz', { size: width });
      for (const left of edges(width)) {
        for (const right of edges(width)) {
          const product = signedOf(left, width) * signedOf(right, width);
          const overflow = BigInt.asIntN(width, product) !== product ? 1n : 0n;
          const machine = createMachine();
          machine.inputs.immediate = right;
          [machine.gpr[0], machine.gpr[1]] = [right, left];
          two(machine);
          if (machine.gpr[1] !== BigInt.asUintN(width, product) || machine.flags.CF !== overflow)
            wrong.push(`${width}: ${left} ${right}`);
          machine.gpr[0] = left;
          three(machine);
          if (machine.gpr[1] !== BigInt.asUintN(width, product) || machine.flags.OF !== overflow)
            wrong.push(`${width}: ${left} × ${right}`);
        }
      }
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });

  it.each([
    ['div', 6],
    ['idiv', 7],
  ] as const)('%s: quotient and remainder, or #DE with nothing changed', (mnemonic, digit) => {
    const wrong: string[] = [];
    let divided = 0;
    for (const width of [8, 16, 32] as const) {
      const run = prepare(mnemonic, `${width === 8 ? 'F6' : 'F7'} /${digit}`, sizeOf(width));
      const dividends = [
        ...edges(width).map((low) => low | (3n << BigInt(width))),
        ...edges(2 * width),
        ...edges(width),
      ];
      for (const dividend of dividends) {
        for (const divisor of operandsOf(width)) {
          const machine = createMachine();
          machine.inputs.rm = 3n;
          machine.gpr[3] = divisor;
          accumulate(machine, width, dividend);
          const before = [...machine.gpr];
          run(machine);
          const [n, d] = digit === 7 ? [signedOf(dividend, 2 * width), signedOf(divisor, width)] : [dividend, divisor];
          const quotient = d === 0n ? 0n : n / d;
          const fits =
            d !== 0n && (digit === 7 ? BigInt.asIntN(width, quotient) === quotient : quotient <= mask(width));
          const where = `${width}: ${n} / ${d}`;
          if (fits !== (machine.fault === undefined)) wrong.push(`${where}: ${machine.fault}`);
          else if (!fits) {
            if (!machine.fault!.startsWith('0:') || before.some((value, index) => machine.gpr[index] !== value))
              wrong.push(where);
          } else {
            divided++;
            const expected = BigInt.asUintN(width, quotient) | (BigInt.asUintN(width, n % d) << BigInt(width));
            if (accumulated(machine, width) !== expected) wrong.push(where);
          }
        }
      }
    }
    expect(divided).toBeGreaterThan(3000);
    expect(wrong.slice(0, 5)).toEqual([]);
  });

  it('64-bit DIV hands high half, low half and divisor to its helper', () => {
    const machine = createMachine();
    machine.inputs.rm = 3n;
    [machine.gpr[0], machine.gpr[2], machine.gpr[3]] = [5n, 6n, 7n];
    machine.results.divideUnsigned128 = [8n, 9n];
    prepare('div', 'F7 /6', { size: 64 })(machine);
    expect(machine.calls).toEqual([{ helper: 'divideUnsigned128', args: [6n, 5n, 7n] }]);
    expect([machine.gpr[0], machine.gpr[2]]).toEqual([8n, 9n]);
  });
});

describe('decimal adjustment, for every AL, CF and AF', () => {
  /** As the manual's pseudocode, statement by statement. */
  const models: Record<
    string,
    (al: number, ah: number, af: boolean, cf: boolean) => [number, number, boolean, boolean]
  > = {
    daa(old, ah, af, oldCarry) {
      let [al, carry, adjust] = [old, false, af];
      if ((al & 15) > 9 || af) {
        carry = oldCarry || al + 6 > 255;
        al = (al + 6) & 255;
        adjust = true;
      } else adjust = false;
      if (old > 0x99 || oldCarry) {
        al = (al + 0x60) & 255;
        carry = true;
      } else carry = false;
      return [al, ah, adjust, carry];
    },
    das(old, ah, af, oldCarry) {
      let [al, carry, adjust] = [old, false, af];
      if ((al & 15) > 9 || af) {
        carry = oldCarry || al < 6;
        al = (al - 6) & 255;
        adjust = true;
      } else adjust = false;
      if (old > 0x99 || oldCarry) {
        al = (al - 0x60) & 255;
        carry = true;
      }
      return [al, ah, adjust, carry];
    },
    aaa(al, ah, af) {
      if ((al & 15) <= 9 && !af) return [al & 15, ah, false, false];
      const ax = (ah << 8) + al + 0x106;
      return [ax & 15, (ax >> 8) & 255, true, true];
    },
    aas(al, ah, af) {
      if ((al & 15) <= 9 && !af) return [al & 15, ah, false, false];
      const ax = ((ah << 8) + al - 6) & 0xffff;
      return [ax & 15, ((ax >> 8) - 1) & 255, true, true];
    },
  };
  const opcodes: Record<string, string> = { daa: '27 i64', das: '2F i64', aaa: '37 i64', aas: '3F i64' };
  it.each(Object.keys(models))('%s', (mnemonic) => {
    const run = prepare(mnemonic, opcodes[mnemonic]);
    const wrong: string[] = [];
    for (let al = 0; al < 256; al++) {
      for (const ah of [0, 5, 0xff]) {
        for (const [af, cf] of [
          [false, false],
          [false, true],
          [true, false],
          [true, true],
        ] as const) {
          const machine = createMachine();
          machine.gpr[0] = BigInt((ah << 8) | al);
          Object.assign(machine.flags, { AF: af ? 1n : 0n, CF: cf ? 1n : 0n });
          const [newAl, newAh, AF, CF] = models[mnemonic](al, ah, af, cf);
          const flags = mnemonic.startsWith('d') ? { AF, CF, ...resultFlags(BigInt(newAl), 8) } : { AF, CF };
          const found = differences(run(machine), 16, { result: BigInt((newAh << 8) | newAl), flags });
          if (found) wrong.push(`${al.toString(16)} AF=${af} CF=${cf}: ${found}`);
        }
      }
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });

  it('aam: AH ← AL / base, AL ← AL mod base; a base of 0 raises #DE', () => {
    const run = prepare('aam', 'D4 ib i64');
    const machine = createMachine();
    machine.gpr[0] = 0x1237n;
    machine.inputs.immediate = 10n;
    expect(run(machine).gpr[0]).toBe(0x0505n);
    machine.inputs.immediate = 0n;
    expect(run(machine).fault).toBe('0: the base is 0');
  });

  it('aad: AL ← AL + AH × base, AH ← 0', () => {
    const machine = createMachine();
    machine.gpr[0] = 0x5509n;
    machine.inputs.immediate = 10n;
    expect(prepare('aad', 'D5 ib i64')(machine).gpr[0]).toBe(BigInt((9 + 0x55 * 10) & 255));
  });
});

describe('BT, BTS, BTR, BTC', () => {
  it('take a register bit number relative to the memory operand, signed and beyond its width', () => {
    const wrong: string[] = [];
    for (const width of [16, 32, 64] as const) {
      for (const [mnemonic, opcode] of [
        ['bt', 'A3'],
        ['bts', 'AB'],
        ['btr', 'B3'],
        ['btc', 'BB'],
      ] as const) {
        const run = prepare(mnemonic, `0F ${opcode} /r`, {
          size: width,
          memory: true,
          addressSize: 32,
          longMode: width === 64,
        });
        for (const position of [0n, 1n, 31n, 33n, 100n, 1000n, -1n, -100n, -1001n]) {
          for (const fill of [0, 0xff]) {
            const machine = createMachine();
            machine.gpr[1] = BigInt.asUintN(width, position);
            for (let at = 0xf00n; at < 0x1100n; at++) machine.memory.set(at, fill);
            run(machine);
            const byte = EA + (position >> 3n);
            const bit = 1n << (position & 7n);
            const before = BigInt(fill);
            const after = { bt: before, bts: before | bit, btr: before & ~bit, btc: before ^ bit }[mnemonic];
            const changed = [...machine.memory].filter(([, value]) => value !== fill);
            const good =
              machine.flags.CF === (before & bit ? 1n : 0n) &&
              readMemory(machine, byte, 8) === after &&
              changed.length === (after === before ? 0 : 1);
            if (!good) wrong.push(`${mnemonic} ${width} ${position} ${fill}`);
          }
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('take an immediate modulo the operand size', () => {
    const machine = createMachine();
    machine.inputs.immediate = 35n;
    prepare('bts', '0F BA /5 ib', { size: 32, memory: true })(machine);
    expect(readMemory(machine, EA, 32)).toBe(8n);
  });

  it('leave the other flags as they are', () => {
    const machine = createMachine();
    Object.assign(machine.flags, { ZF: 1n, OF: 1n, SF: 0n });
    prepare('bt', '0F A3 /r')(machine);
    expect(machine.flags).toMatchObject({ CF: 0n, ZF: 1n, OF: 1n, SF: 0n });
  });
});

describe('BSF, BSR', () => {
  it('find the lowest and the highest bit', () => {
    const machine = createMachine();
    machine.gpr[0] = 0x00f0_0100n;
    expect(prepare('bsf', '0F BC /r')(machine).gpr[1]).toBe(8n);
    expect(prepare('bsr', '0F BD /r')(machine).gpr[1]).toBe(23n);
    expect(machine.flags.ZF).toBe(0n);
  });
  it('set ZF and leave the destination alone when the source is 0', () => {
    const machine = createMachine();
    machine.gpr[1] = 0xdead_beef_0000_0001n;
    expect(prepare('bsf', '0F BC /r', { longMode: true })(machine).gpr[1]).toBe(0xdead_beef_0000_0001n);
    expect(machine.flags.ZF).toBe(1n);
  });
});

describe('CMPXCHG, CMPXCHG8B, XADD, BSWAP', () => {
  it('cmpxchg: equal: the destination takes the source; else the accumulator takes the destination', () => {
    const run = prepare('cmpxchg', '0F B1 /r', { longMode: true });
    const machine = createMachine();
    machine.inputs.rm = 2n;
    machine.gpr[0] = 0xffff_ffff_0000_0005n;
    machine.gpr[1] = 9n;
    machine.gpr[2] = 0xffff_ffff_0000_0005n;
    run(machine);
    expect(machine.gpr.slice(0, 3)).toEqual([0xffff_ffff_0000_0005n, 9n, 9n]);
    expect(machine.flags.ZF).toBe(1n);
    machine.gpr[2] = 0xffff_ffff_0000_0006n;
    run(machine);
    expect(machine.gpr.slice(0, 3)).toEqual([6n, 9n, 0xffff_ffff_0000_0006n]);
    expect(machine.flags.ZF).toBe(0n);
  });

  it('cmpxchg with memory: written in any case, the accumulator only when unequal', () => {
    const run = prepare('cmpxchg', '0F B1 /r', { longMode: true, memory: true });
    const machine = createMachine();
    machine.gpr[0] = 0xffff_ffff_0000_0005n;
    machine.gpr[1] = 9n;
    writeMemory(machine, EA, 32, 5n);
    run(machine);
    expect([machine.gpr[0], readMemory(machine, EA, 32)]).toEqual([0xffff_ffff_0000_0005n, 9n]);
    run(machine);
    expect([machine.gpr[0], readMemory(machine, EA, 32)]).toEqual([9n, 9n]);
  });

  it('cmpxchg8b: EDX:EAX with the operand, ECX:EBX into it', () => {
    const run = prepare('cmpxchg8b', '0F C7 /1 o32', { memory: true });
    const machine = createMachine();
    [machine.gpr[0], machine.gpr[2], machine.gpr[3], machine.gpr[1]] = [1n, 2n, 3n, 4n];
    writeMemory(machine, EA, 64, 0x2_0000_0001n);
    run(machine);
    expect(readMemory(machine, EA, 64)).toBe(0x4_0000_0003n);
    expect(machine.flags.ZF).toBe(1n);
    run(machine);
    expect([machine.gpr[0], machine.gpr[2], machine.flags.ZF]).toEqual([3n, 4n, 0n]);
  });

  it('cmpxchg16b: #GP unless aligned on 16 bytes', () => {
    const run = prepare('cmpxchg16b', '0F C7 /1 n64 o64', { size: 64, memory: true });
    const machine = createMachine();
    [machine.gpr[3], machine.gpr[1]] = [5n, 6n];
    run(machine);
    expect([readMemory(machine, EA, 64), readMemory(machine, EA + 8n, 64)]).toEqual([5n, 6n]);
    machine.inputs.ea = EA + 8n;
    expect(run(machine).fault).toMatch(/^13:/);
  });

  it('xadd of a register with itself leaves the sum', () => {
    const machine = createMachine();
    machine.inputs.reg = 0n;
    machine.gpr[0] = 21n;
    expect(prepare('xadd', '0F C1 /r')(machine).gpr[0]).toBe(42n);
  });

  it('bswap', () => {
    const machine = createMachine();
    machine.gpr[0] = 0x0123_4567_89ab_cdefn;
    expect(prepare('bswap', '0F C8+r', { size: 64 })(machine).gpr[0]).toBe(0xefcd_ab89_6745_2301n);
    expect(prepare('bswap', '0F C8+r')(machine).gpr[0]).toBe(0x0123_4567n);
  });
});
