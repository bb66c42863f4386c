/**
 * A memory access of cold code, tried in place: for forms whose own work is so short that calling the access functions
 * would cost more than it. Code of 32 and 16 bits only.
 */
import { SEGMENT_FIELDS } from '../../cpu/state-layout.ts';
import type { I32 } from '../../wasm/code-writer.ts';
import { type Int32, type Local, select } from '../../wasm/expression.ts';
import { type FunctionWriter, load32 } from '../../wasm/function-writer.ts';
import { probeTlb } from './tlb-probe.ts';

/**
 * The host address of `bytes` at an offset, if they are within the segment and in the TLB; else 0, which says nothing:
 * the access functions know.
 */
export function translateInPlace(
  f: FunctionWriter,
  access: {
    readonly state: Local<typeof I32>;
    /** Address of the segment's state. */
    readonly segment: Int32;
    readonly offset: Int32;
    readonly bytes: number;
    readonly table: 'tlbRead' | 'tlbWrite';
  },
): Local<typeof I32> {
  const { state, bytes, table } = access;
  const segment = f.local(access.segment);
  const offset = f.local(access.offset);
  const last = f.local(offset.add(bytes - 1));
  const limit = load32(segment, table === 'tlbRead' ? SEGMENT_FIELDS.highRead : SEGMENT_FIELDS.highWrite);
  const below = offset.belowU(load32(segment, SEGMENT_FIELDS.low));
  const outside = last.aboveU(limit).or(below).or(last.belowU(offset));
  const linear = f.local(offset.add(load32(segment, SEGMENT_FIELDS.base)));
  const { missed, host } = probeTlb(f, { table, bytes, state, linear });
  return f.local(select(outside.or(missed).isZero(), host, 0));
}
