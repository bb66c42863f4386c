/** Emitted code that reads descriptors of the GDT through the TLB. `cpu/descriptor` says what they mean. */
import { FLAT_LIMIT } from '../../../cpu/fast-system-call.ts';
import type { I32 } from '../../../wasm/code-writer.ts';
import type { Int32, Local } from '../../../wasm/expression.ts';
import { load32 } from '../../../wasm/function-writer.ts';
import { declineIf, field, type StatusWriter } from '../emitted-function.ts';
import { probeTlb } from '../tlb-probe.ts';

type I32Local = Local<typeof I32>;

/** Where to look: the state block, and the host address of a table of the TLB. */
export interface Through {
  readonly state: I32Local;
  readonly table: I32Local;
}

/** Host address of `bytes` at a linear address. Declines unless they are in one page that the table holds. */
export function reach(
  f: StatusWriter,
  { state, table }: Through,
  access: { readonly linear: Int32; readonly bytes: number },
): I32Local {
  const probe = probeTlb(f, {
    table: 'tlbRead',
    tableLocal: table.index,
    bytes: access.bytes,
    state,
    linear: f.local(access.linear),
  });
  declineIf(f, probe.missed);
  return f.local(probe.host);
}

/** The two doublewords that a selector names. Declines for the LDT, and beyond the limit of the GDT. */
export function readGlobalDescriptor(
  f: StatusWriter,
  through: Through,
  selector: Int32,
): { readonly low: I32Local; readonly high: I32Local } {
  const { state } = through;
  const offset = f.local(selector.and(0xfff8));
  declineIf(f, selector.and(4).or(offset.add(7).aboveU(field(state, 'gdtrLimit'))));
  const host = reach(f, through, { linear: field(state, 'gdtrBase').add(offset), bytes: 8 });
  return { low: f.local(load32(host, 0)), high: f.local(load32(host, 4)) };
}

/** Declines unless a selector that is not null names a flat segment of the GDT with just this access word. */
export function declineUnlessFlat(f: StatusWriter, through: Through, selector: Int32, access: Int32): void {
  declineIf(f, selector.and(0xfffc).isZero());
  const { low, high } = readGlobalDescriptor(f, through, selector);
  declineIf(f, low.xor(FLAT_LIMIT.LOW).or(high.xor(access.or(FLAT_LIMIT.HIGH))));
}
