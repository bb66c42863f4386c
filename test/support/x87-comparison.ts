/** Runs an x87 operation on a state of the FPU by the helper and by the emitted function, and says where they differ. */
import type { Helper } from '../../src/cpu/helper.ts';
import { type CpuState, createCpuState, STATE } from '../../src/cpu/state-layout.ts';
import { X87_HELPERS } from '../../src/cpu/x87/x87-helpers.ts';
import { buildX87Module } from '../../src/engine/lowering/x87/x87-module.ts';
import { X87_HELPER_SIGNATURES } from '../../src/isa/x87-helper-signature.ts';
import { Pool } from '../../src/memory/pool.ts';
import type { X87Operation } from './x87-operations.ts';
import type { X87Vector } from './x87-vector.ts';

type Emitted = (state: number, ...args: (number | bigint)[]) => number;
type Call = (cpu: unknown, ...args: (number | bigint)[]) => ReturnType<Helper>;

const SEGMENT = 3;
const OFFSET = 0x8123_4567;
const STATUS = { ES: 0x80, SF: 0x40 };

export class X87Comparison {
  readonly state: CpuState;
  /** What the operation stores, if it does. */
  readonly stored = new DataView(new ArrayBuffer(16));
  storedBytes = 0;
  /** The last vector: whether the emitted function declined. */
  declined = false;
  readonly #functions: Readonly<Record<string, Emitted>>;
  readonly #wide: boolean;
  /** All of the state block, and copies of it before and after the helper. */
  readonly #block: Uint32Array;
  readonly #after: Uint32Array;
  readonly #before: Uint32Array;
  readonly #cpu: unknown;

  /** @param options.inPlace the functions as regions have them */
  constructor(options: { readonly wide: boolean; readonly inPlace?: boolean }) {
    this.#wide = options.wide;
    const pool = Pool.create({ maximumBytes: 2 ** 20 });
    const address = pool.allocate(STATE.size);
    this.state = createCpuState(pool, address);
    this.state.ip = 0x40_1234;
    this.state.segments.forEach((segment, index) => {
      segment.selector = 0x100 + 8 * index;
    });
    const module = new WebAssembly.Module(buildX87Module({ ...options, maximumPages: 16 }));
    const { exports } = new WebAssembly.Instance(module, { host: { memory: pool.memory } });
    this.#functions = exports as unknown as Record<string, Emitted>;
    this.#block = pool.views.u32.subarray(address >>> 2, (address + STATE.size) >>> 2);
    this.#before = this.#block.slice();
    this.#after = this.#block.slice();
    this.#cpu = { state: this.state, mmu: { read: (at: number) => (at & 1 ? 0x91 : 0xda) } };
  }

  /** Puts a vector into the state block. */
  #load(vector: X87Vector): void {
    const block = this.#block;
    const field = (name: keyof typeof STATE.fields) => STATE.fields[name] >>> 2;
    block[field('fcw')] = vector.control;
    block[field('fsw')] = vector.status;
    let tags = 0;
    for (let register = 0; register < 8; register++) {
      if (((vector.full >> register) & 1) === 0) tags |= 3 << (2 * register);
    }
    block[field('ftw')] = tags;
    for (const name of ['fop', 'fip', 'fdp', 'fcs', 'fds'] as const) block[field(name)] = 0x77;
    const { top } = vector;
    for (let index = 0; index < 8; index++) {
      const at = (STATE.x87 >>> 2) + ((top + index) & 7) * 4;
      block[at] = vector.low[index];
      block[at + 1] = vector.high[index];
      block[at + 2] = vector.head[index];
    }
  }

  /**
   * Leaves in the state block what the operation makes of a vector.
   * @returns what is wrong with the emitted function, if anything
   */
  run(operation: X87Operation, vector: X87Vector): string | undefined {
    this.#load(vector);
    const block = this.#block;
    this.#before.set(block);
    const args = [...operation.args(vector.memory, vector.condition)];
    if (operation.memory && operation.helper !== 'x87LoadControl')
      args.push(SEGMENT, this.#wide ? BigInt(OFFSET) : OFFSET);
    const helper = X87_HELPERS[operation.helper as keyof typeof X87_HELPERS] as unknown as Call;
    const answer = helper(this.#cpu, ...args);
    this.#keepResults(operation, answer);
    this.#after.set(block);
    block.set(this.#before);
    this.declined = this.#functions[operation.helper](this.state.address, ...args.map(toWasm)) !== 0;
    if (!this.declined) return this.#difference(this.#after);
    const touched = this.#difference(this.#before);
    block.set(this.#after);
    if (touched) return `declined, but ${touched}`;
    // Only what an unmasked exception or the stack calls for may be declined.
    return this.state.fsw & (STATUS.ES | STATUS.SF) ? undefined : 'declined for no reason';
  }

  /** Puts the helper's results where an engine does, and what it stores into `stored`. */
  #keepResults(operation: X87Operation, answer: ReturnType<Helper>): void {
    this.storedBytes = 0;
    const { results } = X87_HELPER_SIGNATURES[operation.helper as keyof typeof X87_HELPER_SIGNATURES];
    if (results.length === 0) return;
    const values = answer as readonly (number | bigint)[];
    results.forEach((width, index) => {
      const at = (STATE.helperResults >>> 2) + 2 * index;
      const bits = BigInt(values[index]);
      this.#block[at] = Number(bits & 0xffff_ffffn);
      if (width === 64) this.#block[at + 1] = Number(bits >> 32n);
    });
    if (operation.memory !== 'write' || values[0] === 0) return;
    this.storedBytes = operation.storedBytes!;
    this.stored.setBigUint64(0, BigInt.asUintN(64, BigInt(values[1])), true);
    if (values.length > 2) this.stored.setUint16(8, Number(values[2]), true);
  }

  #difference(expected: Uint32Array): string | undefined {
    const block = this.#block;
    for (let word = 0; word < block.length; word++) {
      if (block[word] !== expected[word]) {
        return `${placeOf(word * 4)}: ${block[word].toString(16)} in place of ${expected[word].toString(16)}`;
      }
    }
    return undefined;
  }
}

const toWasm = (value: number | bigint): number | bigint =>
  typeof value === 'bigint' ? BigInt.asIntN(64, value) : value | 0;

/** Name of what lies at an offset of the state block. */
function placeOf(offset: number): string {
  if (offset >= STATE.helperResults) return `result ${(offset - STATE.helperResults) / 8}`;
  if (offset >= STATE.x87) return `R${Math.floor((offset - STATE.x87) / 16)} + ${(offset - STATE.x87) % 16}`;
  const entries = Object.entries(STATE.fields).filter(([, at]) => at <= offset);
  return entries[entries.length - 1][0];
}

/** A vector in words, for a report. */
export function showVector(vector: X87Vector): string {
  const register = (index: number) =>
    `${vector.head[index].toString(16)}:${vector.high[index].toString(16).padStart(8, '0')}${vector.low[index].toString(16).padStart(8, '0')}`;
  const memory = Array.from({ length: 10 }, (_, index) =>
    vector.memory
      .getUint8(9 - index)
      .toString(16)
      .padStart(2, '0'),
  );
  return `control ${vector.control.toString(16)} status ${vector.status.toString(16)} full ${vector.full.toString(2)} ST ${[0, 1, 2, 3].map(register).join(' ')} memory ${memory.join('')}`;
}
