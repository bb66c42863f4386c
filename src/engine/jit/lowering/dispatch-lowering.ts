/** Where computed jumps of a region with many candidates go: a hash finds the only one that the target can be, or few. */
import { I32 } from '../../../wasm/code-writer.ts';
import type { FlowBranches } from '../../../wasm/structured-flow.ts';
import type { Target } from '../finder/region.ts';
import type { BlockContext } from './block-lowering.ts';
import { findJumpHash } from './jump-hash.ts';

/** @param needs instructions that the budget must allow; 0: that is known */
export function writeDispatch(
  { code, pool, locals, leaveByReturn, leaveComputed }: BlockContext,
  candidates: readonly Target[],
  { branches, needs }: { readonly branches: FlowBranches; readonly needs: number },
): void {
  if (needs > 0) {
    code.get(locals.budget);
    code.i32(needs);
    code.op('i32.lt_u');
    // Where it goes to is no news.
    code.brIf(leaveByReturn);
  }
  if (candidates.length > 0) {
    const distance = pool.take(I32);
    const { factor, bits, slots } = findJumpHash(candidates.map(({ offset }) => offset));
    const blocks = new Map(candidates.map(({ offset, block }) => [offset, block!]));
    const used = [...slots.entries()].filter(([, offsets]) => offsets.length > 0);
    const none = code.block();
    const labels = new Map([...used].reverse().map(([slot]) => [slot, code.block()]));
    code.get(locals.target);
    code.get(locals.base);
    code.op('i32.sub');
    code.tee(distance);
    code.i32(factor);
    code.op('i32.mul');
    code.i32(32 - bits);
    code.op('i32.shr_u');
    code.brTable(
      slots.map((_, slot) => labels.get(slot) ?? none),
      none,
    );
    for (const [, offsets] of used) {
      code.end();
      for (const offset of offsets) {
        code.get(distance);
        code.i32(offset);
        code.op('i32.eq');
        branches.toIf(blocks.get(offset)!);
      }
      code.br(none);
    }
    code.end(); // none
    pool.releaseAll();
  }
  code.br(leaveComputed);
}
