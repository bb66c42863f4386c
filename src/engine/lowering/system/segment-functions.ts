/**
 * Emitted code for loads of DS, ES, FS and GS as a kernel makes them at each of its entries: at CPL 0, with data segments
 * of the GDT or the null selector. `cpu/segment-load` says what is right, and does all that is declined here.
 */
import { ACCESS, ACCESS_MASK } from '../../../cpu/descriptor.ts';
import { EFLAGS } from '../../../cpu/flags.ts';
import { CR0 } from '../../../cpu/register-bits.ts';
import { NULL_SEGMENT, SEGMENT_FIELDS, SEGMENT_STRIDE, STATE } from '../../../cpu/state-layout.ts';
import { SEGMENT } from '../../../isa/semantics.ts';
import { type Int32, i32, select } from '../../../wasm/expression.ts';
import { load32 } from '../../../wasm/function-writer.ts';
import { DONE, declineIf, field, type StatusWriter } from '../emitted-function.ts';
import { readGlobalDescriptor } from './descriptor-read.ts';
import type { WriteSystem } from './write-system.ts';

interface Contents {
  readonly base: Int32;
  readonly limit: Int32;
  readonly access: Int32;
  readonly low: Int32;
  readonly highRead: Int32;
  readonly highWrite: Int32;
}

const NULL_CONTENTS: Contents = {
  base: i32(0),
  limit: i32(0),
  access: i32(NULL_SEGMENT),
  low: i32(-1),
  highRead: i32(0),
  highWrite: i32(0),
};

/** Stores all of a segment register's cache but the selector. */
export function storeContents(f: StatusWriter, cache: Int32, contents: Contents): void {
  f.store('i64.store', cache, SEGMENT_FIELDS.base, contents.base.widen());
  for (const name of ['limit', 'access', 'low', 'highRead', 'highWrite'] as const)
    f.store('i32.store', cache, SEGMENT_FIELDS[name], contents[name]);
}

const storeSelector = (f: StatusWriter, cache: Int32, selector: Int32): void =>
  f.store('i32.store', cache, SEGMENT_FIELDS.selector, selector);

const load: WriteSystem = ({ f, state }, segment: Int32, selector: Int32) => {
  const virtual = field(state, 'flagsOther').and(EFLAGS.VM);
  declineIf(f, field(state, 'cr0').and(CR0.PE).isZero().or(virtual).or(field(state, 'cpl')));
  // SS has an interrupt shadow and checks of its own; CS and what is no segment register raise #UD.
  declineIf(f, segment.eq(SEGMENT.CS).or(segment.eq(SEGMENT.SS)).or(segment.aboveU(SEGMENT.GS)));
  const cache = f.local(state.add(segment.mul(SEGMENT_STRIDE)).add(STATE.segments));
  // A change of DS or ES may change the mode.
  const decidesMode = segment.belowU(SEGMENT.FS);

  f.if(selector.and(0xfffc).isZero(), () => {
    declineIf(f, decidesMode);
    storeContents(f, cache, NULL_CONTENTS);
    storeSelector(f, cache, selector);
    f.return(DONE);
  });

  const through = { state, table: f.local(field(state, 'tlbRead')) };
  const { low, high } = readGlobalDescriptor(f, through, selector);

  // Present, accessed, expand-up data, and RPL not above DPL.
  const type = ACCESS.PRESENT | ACCESS.SEGMENT | ACCESS.ACCESSED;
  declineIf(f, high.and(type | ACCESS.CODE | ACCESS.EXPAND_DOWN).ne(type));
  declineIf(f, selector.and(3).aboveU(high.shr(13).and(3)));
  const base = f.local(
    low
      .shr(16)
      .or(high.and(0xff).shl(16))
      .or(high.and(0xff00_0000 | 0)),
  );
  const raw = f.local(low.and(0xffff).or(high.and(0xf_0000)));
  const limit = f.local(select(high.and(ACCESS.GRANULAR), raw.shl(12).or(0xfff), raw));
  const access = f.local(high.and(ACCESS_MASK));
  const holds = (name: 'base' | 'limit' | 'access', value: Int32) => load32(cache, SEGMENT_FIELDS[name]).eq(value);
  f.if(holds('base', base).and(holds('limit', limit)).and(holds('access', access)).isZero(), () => {
    declineIf(f, decidesMode);
    const writable = high.and(ACCESS.WRITABLE);
    storeContents(f, cache, {
      base,
      limit,
      access,
      low: select(writable, i32(0), 1),
      highRead: limit,
      highWrite: select(writable, limit, 0),
    });
  });
  storeSelector(f, cache, selector);
  f.return(DONE);
};

/** By the helper's name. */
export const SEGMENT_FUNCTIONS = { moveToSegment: load, loadSegment: load } as const;
