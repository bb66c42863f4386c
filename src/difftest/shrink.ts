/** Makes a failing vector simpler while it still fails: registers, flags, memory and x87 registers become zero. */
import type { Vector, VectorState, X87State } from './vector.ts';

const FLAGS_BASE = 0x202;
const X87_INITIAL = { controlWord: 0x37f, statusWord: 0, tags: 0xff } as const;

/**
 * @param fails for each of some vectors, whether it still shows the failure; asked for many at once
 */
export function shrink(vector: Vector, fails: (candidates: readonly Vector[]) => readonly boolean[]): Vector {
  let best = vector;
  for (;;) {
    const candidates = simplifications(best);
    const failing = fails(candidates);
    const useful = candidates.filter((_, index) => failing[index]);
    if (useful.length === 0) return best;
    // Simplifications of different places mostly go together; if not, the first is taken alone.
    const merged = useful.reduce((sum, candidate) => merge(best, sum, candidate), best);
    best = fails([merged])[0] ? merged : useful[0];
  }
}

function simplifications(vector: Vector): Vector[] {
  const { initial } = vector;
  const states: VectorState[] = [];
  initial.registers.forEach((value, index) => {
    for (const simpler of [0n, 1n]) {
      if (value > simpler) states.push({ ...initial, registers: initial.registers.with(index, simpler) });
    }
  });
  for (let bit = 1; bit <= 0x800; bit <<= 1) {
    if (initial.flags & bit & ~FLAGS_BASE) states.push({ ...initial, flags: initial.flags & ~bit });
  }
  for (let size = initial.memory.length; size >= 1; size = Math.floor(size / 4)) {
    for (let at = 0; at < initial.memory.length; at += size) {
      if (initial.memory.subarray(at, at + size).every((byte) => byte === 0)) continue;
      const memory = initial.memory.slice();
      memory.fill(0, at, at + size);
      states.push({ ...initial, memory });
    }
  }
  if (initial.x87) for (const x87 of simplerX87(initial.x87)) states.push({ ...initial, x87 });
  return states.map((state) => ({ ...vector, initial: state }));
}

function simplerX87(x87: X87State): X87State[] {
  const found: X87State[] = [];
  for (const name of ['controlWord', 'statusWord', 'tags'] as const) {
    if (x87[name] !== X87_INITIAL[name]) found.push({ ...x87, [name]: X87_INITIAL[name] });
  }
  x87.stack.forEach((value, index) => {
    if (value !== 0n) found.push({ ...x87, stack: x87.stack.with(index, 0n) });
  });
  return found;
}

/** `first` with everything that `second` changed in `base`. */
function merge(base: Vector, first: Vector, second: Vector): Vector {
  const [a, b, c] = [base.initial, first.initial, second.initial];
  const choose = <T>(from: T, one: T, two: T): T => (two === from ? one : two);
  const x87 = a.x87 &&
    b.x87 &&
    c.x87 && {
      controlWord: choose(a.x87.controlWord, b.x87.controlWord, c.x87.controlWord),
      statusWord: choose(a.x87.statusWord, b.x87.statusWord, c.x87.statusWord),
      tags: choose(a.x87.tags, b.x87.tags, c.x87.tags),
      stack: a.x87.stack.map((value, index) => choose(value, b.x87!.stack[index], c.x87!.stack[index])),
    };
  return {
    ...base,
    initial: {
      registers: a.registers.map((value, index) => choose(value, b.registers[index], c.registers[index])),
      flags: a.flags & b.flags & c.flags,
      memory: a.memory.map((value, index) => choose(value, b.memory[index], c.memory[index])),
      ...(x87 && { x87 }),
    },
  };
}
