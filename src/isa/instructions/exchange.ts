/** Compare and exchange. SDM Vol. 1, "Exchange Instructions". */
import { type InstructionRow, instruction } from '../instruction.ts';
import { GPR } from '../semantics.ts';

const cmpxchg = instruction({
  mnemonic: 'cmpxchg',
  summary: 'Compare and exchange',
  manual: 'SDM Vol. 2A, "CMPXCHG—Compare and Exchange"',
  operands: { dst: 'rw', src: 'r' },
  encodings: [
    ['0F B0 /r', 'rm8', 'r8'],
    ['0F B1 /r', 'rmv', 'rv'],
  ],
  lockable: true,
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst, src }, b) {
    const before = dst.read();
    const replacement = src.read();
    const expected = b.register(GPR.rAX, dst.width);
    const difference = b.sub(expected, before);
    const equal = b.isZero(difference);
    // Memory is written in any case; of registers only the one that changes, so that the other keeps its upper half.
    if (dst.isMemory) {
      dst.write(b.select(equal, replacement, before));
      b.when(b.not(equal), () => b.setRegister(GPR.rAX, before));
    } else {
      b.when(
        equal,
        () => dst.write(replacement),
        () => b.setRegister(GPR.rAX, before),
      );
    }
    b.setFlags(b.subFlags(expected, before, difference));
  },
});

const cmpxchg8b = instruction({
  mnemonic: 'cmpxchg8b',
  summary: 'Compare and exchange eight bytes',
  manual: 'SDM Vol. 2A, "CMPXCHG8B/CMPXCHG16B—Compare and Exchange Bytes"',
  operands: { dst: 'rw' },
  encodings: [
    ['0F C7 /1 o16', 'm64'],
    ['0F C7 /1 o32', 'm64'],
  ],
  lockable: true,
  feature: 'cx8',
  flags: { writes: ['ZF'] },
  execute({ dst }, b) {
    const before = dst.read();
    const pair = (high: number, low: number) =>
      b.or(b.shl(b.zeroExtend(b.register(high, 32), 64), 32), b.zeroExtend(b.register(low, 32), 64));
    const equal = b.eq(before, pair(GPR.rDX, GPR.rAX));
    dst.write(b.select(equal, pair(GPR.rCX, GPR.rBX), before));
    b.when(b.not(equal), () => {
      b.setRegister(GPR.rAX, b.truncate(before, 32));
      b.setRegister(GPR.rDX, b.truncate(b.shr(before, 32), 32));
    });
    b.setFlags({ ZF: equal });
  },
});

const cmpxchg16b = instruction({
  mnemonic: 'cmpxchg16b',
  summary: 'Compare and exchange sixteen bytes',
  manual: 'SDM Vol. 2A, "CMPXCHG8B/CMPXCHG16B—Compare and Exchange Bytes"',
  operands: { dst: 'rw' },
  encodings: [['0F C7 /1 n64 o64', 'm128']],
  lockable: true,
  feature: 'cx16',
  flags: { writes: ['ZF'] },
  execute({ dst }, b) {
    const [low, high] = [dst.offset, b.add(dst.offset, 8)];
    // The manual asks for the linear address; a base of FS or GS that is not aligned itself is not taken into account.
    b.raise('#GP', 'the operand is not aligned on 16 bytes', b.ne(b.and(low, 15), 0));
    const beforeLow = b.load(dst.segment, low, 64, 'modify');
    const beforeHigh = b.load(dst.segment, high, 64, 'modify');
    const equal = b.and(b.eq(beforeLow, b.register(GPR.rAX, 64)), b.eq(beforeHigh, b.register(GPR.rDX, 64)));
    b.store(dst.segment, low, b.select(equal, b.register(GPR.rBX, 64), beforeLow), beforeLow);
    b.store(dst.segment, high, b.select(equal, b.register(GPR.rCX, 64), beforeHigh), beforeHigh);
    b.when(b.not(equal), () => {
      b.setRegister(GPR.rAX, beforeLow);
      b.setRegister(GPR.rDX, beforeHigh);
    });
    b.setFlags({ ZF: equal });
  },
});

export const EXCHANGE: readonly InstructionRow[] = [cmpxchg, cmpxchg8b, cmpxchg16b];
