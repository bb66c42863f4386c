import { describe, expect, it } from 'vitest';
import type { BlockEnd, Region, RegionBlock } from '../../../../../src/engine/jit/finder/region.ts';
import { BoundForm } from '../../../../../src/engine/jit/forms/bound-form.ts';
import { planX87 } from '../../../../../src/engine/jit/lowering/x87/x87-plan.ts';
import { assemble } from '../../../../../src/isa/assemble.ts';
import { createDecoder, isFailure } from '../../../../../src/isa/decoder.ts';
import { INSTRUCTIONS } from '../../../../../src/isa/table.ts';
import { traceForm } from '../../../../../src/isa/trace.ts';

const decoder = createDecoder(INSTRUCTIONS);

function bound(source: string): BoundForm {
  const instruction = decoder.decode(assemble(`bits 32\n${source}`, { origin: 0 }).bytes, 0, 32);
  if (isFailure(instruction)) throw new TypeError(`not an instruction: ${source}`);
  const { row, encoding, operandSize, addressSize, condition, memory } = instruction;
  const context = { operandSize, addressSize, condition, stackSize: 32, longMode: false } as const;
  return BoundForm.bind(traceForm({ row, encoding, memory: memory !== undefined, ...context }).statements, instruction);
}

describe('what an instruction does with the register stack', () => {
  it.each([
    ['fld qword [esi]', 7, [7]],
    ['fld st3', 7, [3, 7]],
    ['fstp qword [esi]', 1, [0]],
    ['fst st2', 0, [0, 2]],
    ['faddp st4, st0', 1, [0, 4]],
    ['fmul qword [esi]', 0, [0]],
    ['fcompp', 2, [0, 1]],
    ['fucomip st0, st5', 1, [0, 5]],
    ['fxch st6', 0, [0, 6]],
    ['fxtract', 7, [0, 7]],
    ['fdecstp', 7, []],
    ['fnstsw ax', 0, []],
    ['fldcw [esi]', 0, []],
  ] as const)('%s', (source, turn, touched) => {
    const { x87 } = bound(source);
    expect({ turn: x87?.turn, touched: [...x87!.touched].sort() }).toEqual({ turn, touched });
  });

  it.each(['mov eax, ebx', 'fsin', 'fninit', 'fxsave [esi]'])('%s: nothing that regions know of', (source) => {
    expect(bound(source).x87).toBeUndefined();
  });
});

const block = (offset: number, source: string, end: BlockEnd): RegionBlock => ({
  offset,
  trace: 0,
  followsRepeat: false,
  end,
  instructions: source.split('\n').map((line, index) => {
    const form = bound(line);
    const way = form.isRestartable ? 'emitted' : 'called';
    return { offset: offset + 4 * index, length: 4, form, way, endsBlock: false };
  }),
});
const to = (number: number) => ({ offset: 0x100 * number, block: number });
const region = (...blocks: RegionBlock[]): Region => ({
  blocks,
  pages: [],
  jumps: [],
  traces: [],
  entries: [{ trace: 0, block: 0 }],
});

describe('the plan of a region', () => {
  it('numbers the registers in every block', () => {
    const { region: planned, plan } = planX87(
      region(
        block(0, 'fld1\nfldz', { kind: 'falls', to: to(1) }),
        block(0x100, 'fadd st0, st1', { kind: 'branches', taken: to(1), next: to(2) }),
        block(0x200, 'fstp st0\nfstp st0', { kind: 'jumps', to: to(0) }),
      ),
    );
    expect(plan).toEqual({ tops: [0, 6, 6], touched: new Set([7, 6]) });
    expect(planned.blocks.map(({ end }) => end)).toEqual([
      { kind: 'falls', to: to(1) },
      { kind: 'branches', taken: to(1), next: to(2) },
      { kind: 'jumps', to: to(0) },
    ]);
  });

  it('leaves the region where a loop turns the stack', () => {
    const { region: planned } = planX87(
      region(
        block(0, 'fld1', { kind: 'branches', taken: to(0), next: to(1) }),
        block(0x100, 'nop', { kind: 'computed', jump: 0, candidates: [to(0), to(1)], next: to(0) }),
      ),
    );
    expect(planned.blocks[0].end).toEqual({ kind: 'branches', taken: { offset: 0, block: undefined }, next: to(1) });
    expect(planned.blocks[1].end).toEqual({
      kind: 'computed',
      jump: 0,
      candidates: [to(1)],
      next: { offset: 0, block: undefined },
    });
  });

  it('leaves a computed jump with nowhere to go where the numbers behind it differ', () => {
    const { region: planned, plan } = planX87(
      region(
        block(0, 'fld1', { kind: 'computed', jump: 0, candidates: [], dispatch: to(3) }),
        block(0x100, 'fstp st0', { kind: 'computed', jump: 2, candidates: [], dispatch: to(3) }),
        block(0x200, 'nop', { kind: 'computed', jump: 1, candidates: [], dispatch: to(3) }),
        { ...block(0x100, 'nop', { kind: 'dispatches', candidates: [to(0), to(1), to(2)] }), instructions: [] },
      ),
    );
    expect(plan?.tops).toEqual([0, 7, 7, 7]);
    expect(planned.blocks[0].end).toMatchObject({ dispatch: to(3) });
    expect(planned.blocks[1].end).toEqual({ kind: 'computed', jump: 2, candidates: [], dispatch: undefined });
    expect(planned.blocks[2].end).toMatchObject({ dispatch: to(3) });
    expect(planned.blocks[3].end).toEqual({ kind: 'dispatches', candidates: [to(1), to(2)] });
  });

  it('takes what the interpreter does to leave the numbers as they are', () => {
    const { plan } = planX87(
      region(
        block(0, 'fld1\nfsincos', { kind: 'falls', to: to(1) }),
        block(0x100, 'fstp st0', { kind: 'leaves', offset: 9 }),
      ),
    );
    expect(plan?.tops).toEqual([0, 7]);
  });

  it('is none where nothing is done with the x87', () => {
    const without = region(block(0, 'mov eax, ebx', { kind: 'jumps', to: to(0) }));
    expect(planX87(without)).toEqual({ region: without, plan: undefined });
  });
});
