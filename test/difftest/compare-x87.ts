/** Compares the x87's emitted functions with the BigInt helpers, and both with the host's CPU, on random states. */
import { STATE } from '../../src/cpu/state-layout.ts';
import { X87Oracle } from '../../src/difftest/host/x87-oracle.ts';
import { X87_RECORD } from '../../src/difftest/host/x87-program.ts';
import { showVector, X87Comparison } from '../support/x87-comparison.ts';
import type { X87Operation } from '../support/x87-operations.ts';
import { X87Vector } from '../support/x87-vector.ts';

/** Differences that are shown. */
const SHOWN = 3;
const MOST_IN_BATCH = 8192;

/** A batch of states before (for the host) and after (ours). */
class Records {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(count: number) {
    this.bytes = new Uint8Array(count * X87_RECORD.size);
    this.view = new DataView(this.bytes.buffer);
  }

  before(index: number, vector: X87Vector): void {
    const at = index * X87_RECORD.size;
    const { view } = this;
    let tags = 0;
    for (let register = 0; register < 8; register++) {
      if (((vector.full >> register) & 1) === 0) tags |= 3 << (2 * register);
      const place = at + X87_RECORD.image + 28 + 10 * register;
      view.setUint32(place, vector.low[register], true);
      view.setUint32(place + 4, vector.high[register], true);
      view.setUint16(place + 8, vector.head[register], true);
    }
    view.setUint32(at, 0xffff_0000 | vector.control, true);
    view.setUint32(at + 4, 0xffff_0000 | vector.status, true);
    view.setUint32(at + 8, 0xffff_0000 | tags, true);
    for (let word = 0; word < 16; word += 4)
      view.setUint32(at + X87_RECORD.memory + word, vector.memory.getUint32(word, true), true);
  }

  /** The state before, in words. */
  show(index: number): string {
    const at = index * X87_RECORD.size;
    const hex = (from: number, bytes: number) =>
      Array.from({ length: bytes }, (_, byte) =>
        this.bytes[at + from + bytes - 1 - byte].toString(16).padStart(2, '0'),
      );
    const stack = [0, 1, 2, 3].map((register) => hex(28 + 10 * register, 10).join(''));
    const words = [0, 4, 8].map((field) => hex(field, 2).join(''));
    return `control, status, tags ${words.join(' ')} ST ${stack.join(' ')} memory ${hex(X87_RECORD.memory, 10).join('')}`;
  }

  setFlags(index: number, flags: number): void {
    this.view.setUint32(index * X87_RECORD.size + X87_RECORD.flags, flags | 0x202, true);
  }

  /** The same fields, from the state block. */
  after(index: number, { state, stored, storedBytes }: X87Comparison, vector: X87Vector): void {
    const at = index * X87_RECORD.size;
    const { view } = this;
    const { u32 } = state.pool.views;
    view.setUint16(at, state.fcw, true);
    const status = state.fsw;
    view.setUint16(at + 4, status, true);
    view.setUint16(at + 8, state.ftw, true);
    for (let register = 0; register < 8; register++) {
      const from = (state.address + STATE.x87 + (((status >> 11) + register) & 7) * 16) >>> 2;
      const place = at + X87_RECORD.image + 28 + 10 * register;
      view.setUint32(place, u32[from], true);
      view.setUint32(place + 4, u32[from + 1], true);
      view.setUint16(place + 8, u32[from + 2], true);
    }
    for (let byte = 0; byte < 16; byte++) {
      const source = byte < storedBytes ? stored : vector.memory;
      view.setUint8(at + X87_RECORD.memory + byte, source.getUint8(byte));
    }
  }
}

/** Where two records differ in what an instruction may change. Of tags only "empty" counts, the rest follows from the contents. */
function difference(ours: DataView, host: DataView, at: number, operation: X87Operation): string | undefined {
  const words = { control: 0, status: 4 } as const;
  for (const [name, offset] of Object.entries(words)) {
    const [have, want] = [ours.getUint16(at + offset, true), host.getUint16(at + offset, true)];
    if (have !== want) return `${name} ${have.toString(16)}, the host has ${want.toString(16)}`;
  }
  const empty = (tags: number) => tags & (tags >> 1) & 0x5555;
  if (empty(ours.getUint16(at + 8, true)) !== empty(host.getUint16(at + 8, true))) return 'tags';
  for (let offset = 28; offset < 108; offset += 2) {
    if (ours.getUint16(at + offset, true) !== host.getUint16(at + offset, true))
      return `ST(${Math.floor((offset - 28) / 10)})`;
  }
  for (let offset = X87_RECORD.memory; offset < X87_RECORD.memory + 16; offset += 4) {
    if (ours.getUint32(at + offset, true) !== host.getUint32(at + offset, true)) return 'memory';
  }
  if (operation.helper === 'x87CompareFlags') {
    const [have, want] = [ours.getUint16(at + X87_RECORD.flags, true), host.getUint16(at + X87_RECORD.flags, true)];
    if ((have ^ want) & 0x8d5) return `flags ${have.toString(16)}, the host has ${want.toString(16)}`;
  }
  return undefined;
}

/** EFLAGS that a comparison leaves, from the helper's results. */
function comparedFlags({ state }: X87Comparison): number {
  const results = (state.address + STATE.helperResults) >>> 2;
  const { u32 } = state.pool.views;
  return (u32[results + 2] ? 0x40 : 0) | (u32[results + 4] ? 4 : 0) | (u32[results + 6] ? 1 : 0);
}

export interface X87Differences {
  readonly run: number;
  /** Vectors for which the emitted function, with calls or without, differs from the helper; for which what it left differs from the host. */
  readonly helper: number;
  readonly host: number;
  /** Vectors that the emitted function left to the helper. */
  readonly declined: number;
  /** The first differences, in words. */
  readonly shown: readonly string[];
}

/** @param options.vectors is rounded up to whole batches */
export async function compareX87(
  operation: X87Operation,
  options: { readonly vectors: number; readonly withHost: boolean },
): Promise<X87Differences> {
  const { vectors } = options;
  const batch = Math.min(vectors, MOST_IN_BATCH);
  const comparison = new X87Comparison({ wide: false });
  const inPlace = new X87Comparison({ wide: false, inPlace: true });
  const oracle = options.withHost ? new X87Oracle(operation.code, batch) : undefined;
  const vector = new X87Vector(operation.code[0] * 256 + operation.code[1] + 0x1_0000);
  const [input, ours] = [new Records(batch), new Records(batch)];
  const shown: string[] = [];
  const count = { helper: 0, host: 0, declined: 0, run: 0 };
  try {
    while (count.run < vectors) {
      for (let index = 0; index < batch; index++, count.run++) {
        vector.next();
        const wrong = inPlace.run(operation, vector) ?? comparison.run(operation, vector);
        if (wrong && count.helper++ < SHOWN) shown.push(`${wrong}\n    ${showVector(vector)}`);
        if (comparison.declined) count.declined++;
        if (!oracle) continue;
        input.before(index, vector);
        ours.after(index, comparison, vector);
        const isComparison = operation.helper === 'x87CompareFlags';
        input.setFlags(index, vector.condition ? (operation.condition ?? 0) : 0);
        if (isComparison) ours.setFlags(index, comparedFlags(comparison));
      }
      if (!oracle) continue;
      const host = await oracle.run(input.bytes);
      const view = new DataView(host.buffer, host.byteOffset, host.byteLength);
      for (let index = 0; index < batch; index++) {
        const wrong = difference(ours.view, view, index * X87_RECORD.size, operation);
        if (wrong && count.host++ < SHOWN) shown.push(`${wrong}\n    ${input.show(index)}`);
      }
    }
  } finally {
    oracle?.dispose();
  }
  return { ...count, shown };
}
