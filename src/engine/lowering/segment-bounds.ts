/** From an offset in a segment to a linear address, as code that can do something else on anything unusual. */
import { SEGMENT_FIELDS } from '../../cpu/state-layout.ts';
import type { CodeWriter } from '../../wasm/code-writer.ts';

export interface SegmentedAccess {
  /** Pushes an address, to which the constant `segment` is added, of the segment's state. */
  readonly pushSegment: () => void;
  readonly segment: number;
  /** Local with the offset, an i32; the linear address afterwards. */
  readonly offset: number;
  readonly bytes: number;
  readonly table: 'tlbRead' | 'tlbWrite';
}

/** `leave` pops a condition and leaves if it is not 0: the access is not clearly within the segment. */
export function addSegmentBase(code: CodeWriter, access: SegmentedAccess, leave: () => void): void {
  const { pushSegment, segment, offset, bytes, table } = access;
  const bound = (field: number) => {
    pushSegment();
    code.memory('i32.load', segment + field);
  };
  // low ≤ offset ≤ high − (bytes − 1), the last without a wrap: high is at least that much
  code.get(offset);
  bound(SEGMENT_FIELDS.low);
  code.op('i32.lt_u');
  leave();
  const high = table === 'tlbRead' ? SEGMENT_FIELDS.highRead : SEGMENT_FIELDS.highWrite;
  bound(high);
  code.i32(bytes - 1);
  code.op('i32.lt_u');
  leave();
  code.get(offset);
  bound(high);
  code.i32(bytes - 1);
  code.op('i32.sub', 'i32.gt_u');
  leave();
  code.get(offset);
  bound(SEGMENT_FIELDS.base);
  code.op('i32.add');
  code.set(offset);
}
