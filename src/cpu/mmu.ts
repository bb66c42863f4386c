/** Memory as helpers reach it. Implemented over the TLB by `tlb-mmu.ts`. All methods throw a `GuestFault` (#PF, #GP, #SS). */
/** A data access through paging, by linear address. `privilege` 'supervisor': an implicit access to a system table. */
export type AccessPrivilege = 'current' | 'supervisor';

export interface Mmu {
  /** Unsigned value at a linear address. May cross a page. */
  read(address: number, size: 1 | 2 | 4, privilege: AccessPrivilege): number;
  /** A write that crosses a page checks both pages before it writes anything. */
  write(address: number, value: number, size: 1 | 2 | 4, privilege: AccessPrivilege): void;
  read64(address: number, privilege: AccessPrivilege): bigint;
  write64(address: number, value: bigint, privilege: AccessPrivilege): void;
  /** Faults unless `size` bytes (1..4096) could be written there; sets accessed and dirty bits as a write would. */
  probeWrite(address: number, size: number, privilege: AccessPrivilege): void;
  /** Likewise for a read. */
  probeRead(address: number, size: number, privilege: AccessPrivilege): void;
  /** Data access at a logical address, at the current privilege: segment type, limit, then paging. */
  readSegment(segment: number, offset: number, size: 1 | 2 | 4): number;
  writeSegment(segment: number, offset: number, value: number, size: 1 | 2 | 4): void;
  readSegment64(segment: number, offset: number): bigint;
  writeSegment64(segment: number, offset: number, value: bigint): void;
  /** Faults unless a write at that logical address would succeed: what a read-modify-write does before it reads. */
  probeWriteSegment(segment: number, offset: number, size: number): void;
  /** MOV CR3, task switch: drops all translations but global ones (`all`: those too). */
  flush(scope: 'nonGlobal' | 'all'): void;
  /** INVLPG. */
  flushPage(address: number): void;
}
