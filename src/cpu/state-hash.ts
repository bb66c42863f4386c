/** A hash over everything of a processor that its guest can see, memory included. */
import { PAGE_SIZE } from '../base/address.ts';
import type { Cpu } from './cpu.ts';
import { readEflags } from './flags.ts';
import { FIELD_KINDS, type FieldName, STATE } from './state-layout.ts';

/** Fields that are the engine's own, or whose guest-visible part is hashed otherwise (flags). */
const HIDDEN = new Set<FieldName>([
  'nextIp',
  'flagResult',
  'flagCarries',
  'flagsOther',
  'budget',
  'interruptRequest',
  'interruptShadow',
  'stackShadow',
  'resumePoint',
  'faulted',
  'attention',
  'ahead',
  'record',
  'base',
  'linkFrom',
  'jumpTag',
  'userGeneration',
  'supervisorGeneration',
  'tlbRead',
  'tlbWrite',
  'tlbFetch',
  'tlbTables',
  'fetchTables',
  'tlbLog',
  'blockTable',
  'scratch',
  'scratchAddress',
]);

/** The fields of the state block that are hashed. */
export const VISIBLE_FIELDS: readonly FieldName[] = (Object.keys(FIELD_KINDS) as FieldName[]).filter(
  (name) => !HIDDEN.has(name),
);

/** 16 hexadecimal digits: registers and `retired`, without memory. */
export function hashRegisters(cpu: Cpu, retired: number): string {
  const hash = new Hash();
  addRegisters(hash, cpu, retired);
  return hash.digest();
}

/** 16 hexadecimal digits. `retired` is part of it. */
export function hashState(cpu: Cpu, retired: number): string {
  const { memory } = cpu;
  const hash = new Hash();
  addRegisters(hash, cpu, retired);
  const addPage = (page: number, bytes: Uint8Array | undefined): void => {
    if (bytes === undefined) return;
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
    const words = new Uint32Array(aligned.buffer, aligned.byteOffset, PAGE_SIZE / 4);
    // To the guest, a page of zeros is a page that was never written.
    if (words.every((word) => word === 0)) return;
    hash.add(page);
    for (const word of words) hash.add(word);
  };
  for (let page = 0; page < memory.size / PAGE_SIZE; page++) {
    addPage(page, memory.bytesForRead(page));
    addPage(~page, memory.hiddenBytes(page));
  }
  return hash.digest();
}

function addRegisters(hash: Hash, { state, pool }: Cpu, retired: number): void {
  hash.add(retired >>> 0);
  hash.add(retired / 2 ** 32);
  hash.add(readEflags(state));
  for (let index = 0; index < 16; index++) hash.addBig(state.reg64(index));
  for (const name of VISIBLE_FIELDS) hash.addBig(BigInt(state[name]));
  const { u32 } = pool.views;
  for (let at = STATE.segments; at < STATE.helperArguments; at += 4) hash.add(u32[(state.address + at) >>> 2]);
}

/** Two 32-bit multiply-and-rotate lanes. Not cryptographic. */
class Hash {
  #first = 0x9e37_79b9;
  #second = 0x85eb_ca6b;

  add(word: number): void {
    const first = Math.imul(this.#first ^ word, 0xcc9e_2d51);
    this.#first = (first << 15) | (first >>> 17);
    const second = Math.imul(this.#second + (word | 0), 0x1b87_3593);
    this.#second = ((second << 13) | (second >>> 19)) ^ this.#first;
  }
  addBig(value: bigint): void {
    this.add(Number(value & 0xffff_ffffn));
    this.add(Number((value >> 32n) & 0xffff_ffffn));
  }
  digest(): string {
    return [this.#first, this.#second].map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('');
  }
}
