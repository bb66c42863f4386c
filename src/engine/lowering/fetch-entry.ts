/** Where the fetch TLB holds the translation of a linear address, as emitted code finds it. */
import { PAGE_SIZE } from '../../base/address.ts';
import { STATE } from '../../cpu/state-layout.ts';
import { FETCH_TLB } from '../../cpu/tlb-layout.ts';
import type { CodeWriter } from '../../wasm/code-writer.ts';

export const PAGE_SHIFT = Math.log2(PAGE_SIZE);

/** Pushes the host address of the only entry that can hold it. `pushLinear` pushes the address's low 32 bits. */
export function pushFetchEntry(code: CodeWriter, state: number, pushLinear: () => void): void {
  code.get(state);
  code.memory('i32.load', STATE.fields.tlbFetch);
  pushLinear();
  code.i32(PAGE_SHIFT - FETCH_TLB.ENTRY_SHIFT);
  code.op('i32.shr_u');
  code.i32((FETCH_TLB.ENTRIES - 1) << FETCH_TLB.ENTRY_SHIFT);
  code.op('i32.and', 'i32.add');
}
