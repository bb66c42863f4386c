/**
 * Finding a block in emitted code where the jump cache does not have it: the fetch TLB gives the physical page, the
 * block table the block. Anything out of the ordinary goes to the slow path, which can do everything.
 */

import { MODE } from '../../cpu/mode-key.ts';
import { SEGMENT_FIELDS, SEGMENT_STRIDE, STATE } from '../../cpu/state-layout.ts';
import { FETCH_TLB } from '../../cpu/tlb-layout.ts';
import { SEGMENT } from '../../isa/semantics.ts';
import { type CodeWriter, I32, I64, type Label } from '../../wasm/code-writer.ts';
import { BLOCK_TABLE } from '../blocks/block-table.ts';
import { pushFetchEntry } from './fetch-entry.ts';

const CODE_SEGMENT = STATE.segments + SEGMENT.CS * SEGMENT_STRIDE;

/** Locals: state block; instruction pointer to be found (i64 if `wide`); where the block's first record goes. */
export interface LookupLocals {
  readonly state: number;
  readonly target: number;
  readonly record: number;
}

/** Sets `record`, or branches to `miss` with `record` undefined. */
export function emitBlockLookup(
  code: CodeWriter,
  { state, target, record }: LookupLocals,
  miss: Label,
  { wide }: { readonly wide: boolean },
): void {
  const linear = code.newLocal(wide ? I64 : I32);
  const entry = code.newLocal(I32);
  const physical = code.newLocal(I32);
  const low = code.newLocal(I32);
  const pushLow = (local: number) => {
    code.get(local);
    if (wide) code.op('i32.wrap_i64');
  };
  const pushLimit = () => {
    code.get(state);
    code.memory('i32.load', CODE_SEGMENT + SEGMENT_FIELDS.limit);
  };

  // linear = CS base + target; beyond the limit is a fault
  code.get(target);
  if (!wide) {
    pushLimit();
    code.op('i32.gt_u');
    code.brIf(miss);
    code.get(target);
    code.get(state);
    code.memory('i32.load', CODE_SEGMENT + SEGMENT_FIELDS.base);
    code.op('i32.add');
  }
  code.set(linear);

  pushFetchEntry(code, state, () => pushLow(linear));
  code.tee(entry);
  code.memory(wide ? 'i64.load' : 'i32.load', FETCH_TLB.PAGE);
  code.get(linear);
  if (wide) {
    code.i64(12n);
    code.op('i64.shr_u', 'i64.ne');
  } else {
    code.i32(12);
    code.op('i32.shr_u', 'i32.ne');
  }
  code.brIf(miss);

  // low = physical page * 4096 + offset in the page
  code.get(entry);
  code.memory('i32.load', FETCH_TLB.PHYSICAL);
  code.tee(physical);
  code.i32(12);
  code.op('i32.shl');
  pushLow(linear);
  code.i32(0xfff);
  code.op('i32.and', 'i32.or');
  code.tee(low);

  // entry = block table + hash(physical address) * entry size
  code.get(physical);
  code.i32(BLOCK_TABLE.PAGE_FACTOR);
  code.op('i32.mul', 'i32.xor');
  code.i32(BLOCK_TABLE.ENTRIES - 1);
  code.op('i32.and');
  code.i32(BLOCK_TABLE.ENTRY_SHIFT);
  code.op('i32.shl');
  code.get(state);
  code.memory('i32.load', STATE.fields.blockTable);
  code.op('i32.add');
  code.tee(entry);
  code.memory('i32.load', BLOCK_TABLE.ADDRESS);
  code.get(low);
  code.op('i32.ne');
  code.brIf(miss);
  code.get(entry);
  code.memory('i32.load', BLOCK_TABLE.KEY);
  code.get(physical);
  code.i32(20);
  code.op('i32.shr_u');
  code.i32(BLOCK_TABLE.KEY_SHIFT);
  code.op('i32.shl');
  code.get(state);
  code.memory('i32.load', STATE.fields.modeKey);
  code.i32(MODE.BLOCK_MASK);
  code.op('i32.and', 'i32.or', 'i32.ne');
  code.brIf(miss);
  if (!wide) {
    // The code segment may have become shorter since the block was decoded.
    pushLimit();
    code.get(target);
    code.op('i32.sub');
    code.get(entry);
    code.memory('i32.load', BLOCK_TABLE.LAST_BYTE);
    code.op('i32.lt_u');
    code.brIf(miss);
  }
  code.get(entry);
  code.memory('i32.load', BLOCK_TABLE.BLOCK);
  code.tee(record);
  code.op('i32.eqz');
  code.brIf(miss);
}
