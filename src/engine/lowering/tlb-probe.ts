/**
 * The look-up of a linear address in the software TLB, as emitted code does it. One that hits is inside one page, which
 * is mapped, may be accessed so, and is plain memory.
 */
import { PAGE_SIZE } from '../../base/address.ts';
import { STATE } from '../../cpu/state-layout.ts';
import { TLB } from '../../cpu/tlb-layout.ts';
import { type CodeWriter, I32 } from '../../wasm/code-writer.ts';
import { Expression, type Int32, type Local } from '../../wasm/expression.ts';
import type { FunctionWriter } from '../../wasm/function-writer.ts';

export interface TlbProbe {
  readonly table: 'tlbRead' | 'tlbWrite';
  /** Local with the table's host address, if it is in one already. */
  readonly tableLocal?: number | undefined;
  /** Bytes accessed: they must not go on in the next page. */
  readonly bytes: number;
  /** 64-bit code: the address is an i64, entries are larger. */
  readonly wide: boolean;
  /** Locals: the state block; the linear address, set already; what the probe leaves for `pushHostAddress`, an i32. */
  readonly state: number;
  readonly linear: number;
  readonly entry: number;
}

/** Pushes 1 if the access hits, or if it misses, as an i32. */
export function pushProbe(code: CodeWriter, probe: TlbProbe, answer: 'hits' | 'misses'): void {
  const { wide, linear } = probe;
  const pointer = wide ? 'i64' : 'i32';
  const push = (value: number) => (wide ? code.i64(BigInt(value)) : code.i32(value));
  // entry = table + (page mod entries) * size of an entry
  if (probe.tableLocal === undefined) {
    code.get(probe.state);
    code.memory('i32.load', STATE.fields[probe.table]);
  } else code.get(probe.tableLocal);
  code.get(linear);
  if (wide) code.op('i32.wrap_i64');
  code.i32(PAGE_SHIFT - TLB.entryShift(wide));
  code.op('i32.shr_u');
  code.i32((TLB.ENTRIES - 1) << TLB.entryShift(wide));
  code.op('i32.and', 'i32.add');
  code.tee(probe.entry);
  code.memory(`${pointer}.load`, TLB.TAG);
  // The page of the last byte must be the entry's: that is the check for the page's end as well.
  code.get(linear);
  if (probe.bytes > 1) {
    push(probe.bytes - 1);
    code.op(`${pointer}.add`);
  }
  push(-PAGE_SIZE);
  code.op(`${pointer}.and`, answer === 'hits' ? `${pointer}.eq` : `${pointer}.ne`);
}

/** After a hit: pushes the host address, an i32. */
export function pushHostAddress(code: CodeWriter, { wide, linear, entry }: TlbProbe): void {
  code.get(linear);
  if (wide) code.op('i32.wrap_i64');
  code.get(entry);
  code.memory('i32.load', TLB.addend(wide));
  code.op('i32.add');
}

/** The same for functions written with expressions, in code of 32 and 16 bits. */
export function probeTlb(
  f: FunctionWriter,
  access: Pick<TlbProbe, 'table' | 'tableLocal' | 'bytes'> & {
    readonly state: Local<typeof I32>;
    readonly linear: Local<typeof I32>;
  },
): { readonly missed: Int32; readonly host: Int32 } {
  const { table, tableLocal, bytes, state, linear } = access;
  const entry = f.variable(I32).index;
  const probe: TlbProbe = { table, tableLocal, bytes, wide: false, state: state.index, linear: linear.index, entry };
  const missed = f.local(new Expression(I32, (code) => pushProbe(code, probe, 'misses')));
  return { missed, host: new Expression(I32, (code) => pushHostAddress(code, probe)) };
}

const PAGE_SHIFT = Math.log2(PAGE_SIZE);
