/**
 * Emitted code for loads of data and stack segments as a kernel makes them at each of its entries, and a boot loader or a
 * BIOS whenever it changes the mode: at CPL 0, with data segments of the GDT or the null selector, or in real-address
 * mode; where the mode key stays as it is. `cpu/segment-load` says what is right, and does all that is declined here.
 */
import { ACCESS, ACCESS_MASK } from '../../../cpu/descriptor.ts';
import { EFLAGS } from '../../../cpu/flags.ts';
import { MODE } from '../../../cpu/mode-key.ts';
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

const cacheOf = (state: Int32, segment: Int32 | number): Int32 =>
  typeof segment === 'number'
    ? state.add(STATE.segments + segment * SEGMENT_STRIDE)
    : state.add(segment.mul(SEGMENT_STRIDE)).add(STATE.segments);

/** Whether data may be accessed at all offsets from base 0 on. */
const isFlat = ({ base, low, highRead, highWrite }: Pick<Contents, 'base' | 'low' | 'highRead' | 'highWrite'>): Int32 =>
  base.or(low).or(highRead.and(highWrite).xor(-1)).isZero();

const holdsFlat = (cache: Int32): Int32 => {
  const content = (name: keyof typeof SEGMENT_FIELDS) => load32(cache, SEGMENT_FIELDS[name]);
  return isFlat({
    base: content('base'),
    low: content('low'),
    highRead: content('highRead'),
    highWrite: content('highWrite'),
  });
};

/** Declines if the mode key is another one with this in DS, ES or SS. */
function declineIfModeChanges(f: StatusWriter, state: Int32, segment: Int32, then: Contents): void {
  const key = f.local(field(state, 'modeKey'));
  const code = cacheOf(state, SEGMENT.CS);
  const others = ([SEGMENT.DS, SEGMENT.ES, SEGMENT.SS] as const).reduce<Int32>(
    (all, other) => all.and(segment.eq(other).or(holdsFlat(cacheOf(state, other)))),
    load32(code, SEGMENT_FIELDS.base).isZero().and(load32(code, SEGMENT_FIELDS.limit).eq(-1)),
  );
  declineIf(f, isFlat(then).and(others).ne(key.and(MODE.FLAT).isNotZero()));
  const wide = then.access.and(ACCESS.BIG).isNotZero();
  declineIf(f, segment.eq(SEGMENT.SS).and(wide.ne(key.and(MODE.STACK32).isNotZero())));
}

type Load = 'move' | 'loadPointer';

/** MOV to SS and POP SS end their block, so that the budget says where they are. */
const finish = (f: StatusWriter, state: Int32, segment: Int32, kind: Load): void => {
  if (kind === 'move')
    f.if(segment.eq(SEGMENT.SS), () => f.store('i32.store', state, STATE.fields.stackShadow, field(state, 'budget')));
  f.return(DONE);
};

/** Limit and rights stay; only the base is another one. */
function loadReal(f: StatusWriter, state: Int32, { segment, selector }: Record<'segment' | 'selector', Int32>): void {
  const cache = f.local(cacheOf(state, segment));
  const access = f.local(load32(cache, SEGMENT_FIELDS.access));
  const usable = ACCESS.SEGMENT | ACCESS.PRESENT;
  declineIf(f, access.and(usable | NULL_SEGMENT).ne(usable));
  const base = f.local(selector.shl(4));
  f.if(segment.belowU(SEGMENT.FS).and(load32(cache, SEGMENT_FIELDS.base).ne(base)), () => {
    const bound = (name: 'limit' | 'low' | 'highRead' | 'highWrite') => load32(cache, SEGMENT_FIELDS[name]);
    const [limit, low, highRead, highWrite] = [bound('limit'), bound('low'), bound('highRead'), bound('highWrite')];
    declineIfModeChanges(f, state, segment, { base, access, limit, low, highRead, highWrite });
  });
  f.store('i64.store', cache, SEGMENT_FIELDS.base, base.widen());
  storeSelector(f, cache, selector);
}

const load =
  (kind: Load): WriteSystem =>
  ({ f, state }, segment: Int32, selector: Int32) => {
    // CS and what is no segment register raise #UD.
    declineIf(f, segment.eq(SEGMENT.CS).or(segment.aboveU(SEGMENT.GS)));
    f.if(field(state, 'cr0').and(CR0.PE).isZero(), () => {
      loadReal(f, state, { segment, selector });
      finish(f, state, segment, kind);
    });
    declineIf(f, field(state, 'flagsOther').and(EFLAGS.VM).or(field(state, 'cpl')));
    const cache = f.local(cacheOf(state, segment));
    // A change of DS, ES or SS may change the mode.
    const decidesMode = segment.belowU(SEGMENT.FS);
    const isStack = segment.eq(SEGMENT.SS);

    f.if(selector.and(0xfffc).isZero(), () => {
      declineIf(f, isStack);
      f.if(decidesMode, () => declineIfModeChanges(f, state, segment, NULL_CONTENTS));
      storeContents(f, cache, NULL_CONTENTS);
      storeSelector(f, cache, selector);
      f.return(DONE);
    });

    const through = { state, table: f.local(field(state, 'tlbRead')) };
    const { low, high } = readGlobalDescriptor(f, through, selector);

    // Present, accessed, expand-up data, and RPL not above DPL; of a stack segment, both are CPL, and it is writable.
    const type = ACCESS.PRESENT | ACCESS.SEGMENT | ACCESS.ACCESSED;
    declineIf(f, high.and(type | ACCESS.CODE | ACCESS.EXPAND_DOWN).ne(type));
    const level = f.local(high.shr(13).and(3));
    declineIf(f, selector.and(3).aboveU(level));
    declineIf(f, isStack.and(level.or(high.and(ACCESS.WRITABLE).isZero())));
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
      const writable = high.and(ACCESS.WRITABLE);
      const contents: Contents = {
        base,
        limit,
        access,
        low: f.local(select(writable, i32(0), 1)),
        highRead: limit,
        highWrite: f.local(select(writable, limit, 0)),
      };
      f.if(decidesMode, () => declineIfModeChanges(f, state, segment, contents));
      storeContents(f, cache, contents);
    });
    storeSelector(f, cache, selector);
    finish(f, state, segment, kind);
  };

/** By the helper's name. */
export const SEGMENT_FUNCTIONS = { moveToSegment: load('move'), loadSegment: load('loadPointer') } as const;
