/** Looking into a stopped machine: nothing here has an effect that the guest could see. */
import { PAGE_SIZE } from '../base/address.ts';
import { checkWholeNumber } from '../base/argument-check.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { walkPages } from '../cpu/paging/page-walk.ts';
import { pagingState } from '../cpu/paging/paging-state.ts';

/** @throws UserError that names what the address is for */
export const checkAddress = (what: string, value: unknown): number =>
  checkWholeNumber(what, value, { least: 0, most: 0xffff_ffff });

export const checkLength = (what: string, value: unknown): number =>
  checkWholeNumber(what, value, { least: 0, most: 2 ** 24 });

/** Physical address of a linear one, as a supervisor would reach it; undefined if it is not mapped. */
export function probeLinear(cpu: Cpu, address: number): number | undefined {
  const paging = pagingState(cpu.state, cpu.model);
  if (paging === undefined) return address;
  const request = { address, access: 'read', privilege: 'supervisor' } as const;
  const result = walkPages(request, paging, (at) => readDoubleword(cpu, at));
  return result.kind === 'translation' ? result.page * PAGE_SIZE + (address % PAGE_SIZE) : undefined;
}

/** Bytes at a linear address, up to the first page that is not mapped. Memory-mapped registers show as FFh. */
export function probeBytes(cpu: Cpu, address: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const linear = (address + done) >>> 0;
    const physical = probeLinear(cpu, linear);
    if (physical === undefined) return bytes.subarray(0, done);
    const count = Math.min(PAGE_SIZE - (linear % PAGE_SIZE), length - done);
    bytes.set(cpu.memory.copyOut(physical, count), done);
    done += count;
  }
  return bytes;
}

function readDoubleword(cpu: Cpu, at: number): number {
  const bytes = cpu.memory.copyOut(at, 4);
  return new DataView(bytes.buffer).getUint32(0, true);
}
