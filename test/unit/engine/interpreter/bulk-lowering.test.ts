/** That runs of elements are done at once wherever they can be: the engines' lockstep would not miss it. */
import { describe, expect, it } from 'vitest';
import { SEGMENT_FIELDS, SEGMENT_STRIDE, STATE } from '../../../../src/cpu/state-layout.ts';
import { TLB } from '../../../../src/cpu/tlb-layout.ts';
import type { BulkShape } from '../../../../src/engine/interpreter/bulk/bulk-elements.ts';
import { lowerBulk } from '../../../../src/engine/interpreter/bulk/bulk-lowering.ts';
import { RECORD } from '../../../../src/engine/interpreter/record-layout.ts';
import type { BulkKind } from '../../../../src/isa/instruction.ts';
import { GPR, SEGMENT } from '../../../../src/isa/semantics.ts';
import { CodeWriter, I32 } from '../../../../src/wasm/code-writer.ts';
import { ModuleBuilder } from '../../../../src/wasm/module-builder.ts';

const RECORD_AT = 0x2000;
const READ_TABLE = 0x1_0000;
const WRITE_TABLE = 0x2_0000;
const DATA = 0x4_0000;
const PAGE = 0x1000;
const DF = 0x400;
const BUDGET = 1000;
/** Linear addresses of two pages that the TLB holds, next to each other in the host's memory. */
const SOURCE = 0x7000;
const TARGET = 0x9000;

interface Run {
  readonly counted: boolean;
  readonly rcx: bigint;
  readonly rsi: bigint;
  readonly rdi: bigint;
  readonly budget: number;
  readonly data: Uint8Array;
}

interface RunOptions {
  readonly count?: number;
  readonly from?: number;
  readonly to?: number;
  readonly down?: boolean;
  readonly budget?: number;
  readonly attention?: number;
  readonly mapped?: boolean;
  readonly limits?: { readonly es?: number; readonly ds?: number };
  readonly data?: (data: Uint8Array) => void;
}

const modules = new Map<string, WebAssembly.Module>();

/** A function (state, record) → whether it has done all that the loop's next look at its conditions needs. */
function compile(shape: BulkShape): WebAssembly.Module {
  const key = JSON.stringify(shape);
  const known = modules.get(key);
  if (known) return known;
  const code = new CodeWriter(2);
  const counted = code.block();
  lowerBulk(code, { state: 0, record: 1 }, shape, counted);
  code.i32(0);
  code.op('return');
  code.end();
  code.i32(1);
  const module = new ModuleBuilder();
  module.importMemory('memory', { minimumPages: 1, maximumPages: 8 });
  const index = module.declare({ parameters: [I32, I32], results: [I32] }, 'bulk');
  module.define(index, code);
  module.export('bulk', index);
  const compiled = new WebAssembly.Module(module.finish());
  modules.set(key, compiled);
  return compiled;
}

function run(shape: BulkShape, options: RunOptions = {}): Run {
  const { count = 64, from = 0x800, to = 0x800, budget = BUDGET, limits = {} } = options;
  const memory = new WebAssembly.Memory({ initial: 8, maximum: 8 });
  const u32 = new Uint32Array(memory.buffer);
  const u64 = new BigUint64Array(memory.buffer);
  const set = (at: number, value: number) => {
    u32[at >>> 2] = value;
  };
  for (const [segment, limit = 0xffff_ffff] of [
    [SEGMENT.ES, limits.es],
    [SEGMENT.DS, limits.ds],
  ] as const) {
    const at = STATE.segments + segment * SEGMENT_STRIDE;
    set(at + SEGMENT_FIELDS.highRead, limit);
    set(at + SEGMENT_FIELDS.highWrite, limit);
  }
  new Uint16Array(memory.buffer)[(RECORD_AT + RECORD.segment) >>> 1] = STATE.segments + SEGMENT.DS * SEGMENT_STRIDE;
  u32.fill(TLB.INVALID, READ_TABLE >>> 2, DATA >>> 2);
  const map = (table: number, linear: number, host: number) => {
    const at = table + ((linear / PAGE) << TLB.entryShift(shape.wide));
    set(at + TLB.TAG, linear);
    if (shape.wide) set(at + 4, 0);
    set(at + TLB.addend(shape.wide), host - linear);
  };
  if (options.mapped !== false) {
    map(READ_TABLE, SOURCE, DATA);
    for (const table of [READ_TABLE, WRITE_TABLE]) map(table, TARGET, DATA + PAGE);
  }
  set(STATE.fields.tlbRead, READ_TABLE);
  set(STATE.fields.tlbWrite, WRITE_TABLE);
  set(STATE.fields.budget, budget);
  set(STATE.fields.attention, options.attention ?? 0);
  set(STATE.fields.flagsOther, options.down ? DF : 0);
  u64[GPR.rCX] = BigInt(count);
  u64[GPR.rSI] = BigInt(SOURCE + from);
  u64[GPR.rDI] = BigInt(TARGET + to);
  const data = new Uint8Array(memory.buffer, DATA, 2 * PAGE);
  options.data?.(data);

  const instance = new WebAssembly.Instance(compile(shape), { host: { memory } });
  const result = (instance.exports.bulk as (state: number, record: number) => number)(0, RECORD_AT);
  return {
    counted: result === 1,
    rcx: u64[GPR.rCX],
    rsi: u64[GPR.rSI] - BigInt(SOURCE),
    rdi: u64[GPR.rDI] - BigInt(TARGET),
    budget: u32[STATE.fields.budget >>> 2],
    data,
  };
}

const STOPS = { copy: undefined, fill: undefined, load: undefined, compare: 'different', scan: 'different' } as const;
const SHAPES: BulkShape[] = (Object.keys(STOPS) as BulkKind[]).flatMap((kind) =>
  [
    { addressSize: 16 as const, wide: false },
    { addressSize: 32 as const, wide: false },
    { addressSize: 32 as const, wide: true },
    { addressSize: 64 as const, wide: true },
  ].flatMap((addresses) =>
    (addresses.wide ? [8, 16, 32, 64] : [8, 16, 32]).map((width) => ({
      kind,
      stopsAt: STOPS[kind],
      width,
      ...addresses,
    })),
  ),
);
const show = ({ kind, width, addressSize, wide }: BulkShape) => `${kind}${width} a${addressSize}${wide ? ' wide' : ''}`;
const isCompare = ({ stopsAt }: BulkShape) => stopsAt !== undefined;
const usesSource = ({ kind }: BulkShape) => kind !== 'fill' && kind !== 'scan';
const usesTarget = ({ kind }: BulkShape) => kind !== 'load';

describe('a run of string elements', () => {
  it.each([false, true])('is done at once, whatever the sizes; DF = %j', (down) => {
    for (const shape of SHAPES) {
      const after = run(shape, { down });
      // A comparison leaves the last pair, which is the one that was counted already.
      const done = isCompare(shape) ? 63 : 64;
      const moved = BigInt(((down ? -done : done) * shape.width) / 8);
      expect(after, show(shape)).toMatchObject({
        counted: !isCompare(shape),
        rcx: BigInt(64 - done),
        rsi: 0x800n + (usesSource(shape) ? moved : 0n),
        rdi: 0x800n + (usesTarget(shape) ? moved : 0n),
        budget: BUDGET - 63,
      });
    }
  });

  it('ends with the budget, whose last instruction is the iteration counted already', () => {
    for (const shape of SHAPES) {
      const after = run(shape, { budget: 9 });
      expect([after.rcx, after.budget], show(shape)).toEqual(isCompare(shape) ? [55n, 0] : [54n, 0]);
      expect(run(shape, { budget: 0 }).rcx, show(shape)).toBe(isCompare(shape) ? 64n : 63n);
    }
  });

  it('ends with the page: upwards, downwards', () => {
    for (const shape of SHAPES) {
      const size = shape.width / 8;
      const left = isCompare(shape) ? 1n : 0n;
      const up = run(shape, { from: PAGE - 5 * size, to: PAGE - 7 * size });
      const fit = BigInt(usesSource(shape) ? 5 : 7);
      expect(64n - up.rcx, show(shape)).toBe(fit - left);
      const down = run(shape, { from: 4 * size, to: 6 * size, down: true });
      expect(64n - down.rcx, show(shape)).toBe(fit - left);
    }
  });

  it('is not begun where the TLB has no entry, nor when the dispatcher wants to look', () => {
    for (const shape of SHAPES) {
      for (const refused of [{ mapped: false }, { attention: 1 }]) {
        const { counted, rcx, budget } = run(shape, refused);
        expect({ counted, rcx, budget }, show(shape)).toEqual({ counted: false, rcx: 64n, budget: BUDGET });
      }
    }
  });

  it('ends with the segment', () => {
    for (const shape of SHAPES.filter(({ wide }) => !wide)) {
      const last = 0x800 + 10 * (shape.width / 8) - 1;
      const limits = usesTarget(shape) ? { es: TARGET + last } : { ds: SOURCE + last };
      expect(64n - run(shape, { limits }).rcx, show(shape)).toBe(isCompare(shape) ? 9n : 10n);
    }
  });

  it('a comparison stops before the pair that decides, wherever in a group of eight bytes that is', () => {
    for (const shape of SHAPES.filter(isCompare)) {
      const size = shape.width / 8;
      for (const stopsAt of ['different', 'equal'] as const) {
        for (let place = 0; place < 12; place++) {
          for (const down of [false, true]) {
            const data = (bytes: Uint8Array) => {
              bytes.fill(stopsAt === 'equal' ? 1 : 0, PAGE);
              const at = PAGE + 0x800 + (down ? -place : place) * size;
              if (stopsAt === 'equal') bytes.fill(0, at, at + size);
              else bytes[at + size - 1] = 0x80;
            };
            const after = run({ ...shape, stopsAt }, { data, down });
            expect(64n - after.rcx, `${show(shape)} ${stopsAt} ${place} ${down}`).toBe(BigInt(place));
          }
        }
      }
    }
  });
});
