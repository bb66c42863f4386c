/** A machine for those who look at it: nothing here has an effect that the guest could see. */

/** A segment register with what the processor keeps of its descriptor. */
export interface SegmentRegister {
  readonly selector: number;
  readonly base: number;
  readonly limit: number;
  /** The descriptor's second doubleword without base and limit. */
  readonly access: number;
}

type GeneralName = 'eax' | 'ecx' | 'edx' | 'ebx' | 'esp' | 'ebp' | 'esi' | 'edi';
type SegmentName = 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs' | 'ldtr' | 'tr';
type ControlName = 'cr0' | 'cr2' | 'cr3' | 'cr4' | 'dr0' | 'dr1' | 'dr2' | 'dr3' | 'dr6' | 'dr7';

/** The registers at one moment: 32 bits wide, unsigned. */
export type Registers = Readonly<Record<GeneralName | ControlName | 'eip' | 'eflags' | 'cpl', number>> &
  Readonly<Record<SegmentName, SegmentRegister>> &
  Readonly<Record<'gdtr' | 'idtr', { readonly base: number; readonly limit: number }>>;

export interface MachineView {
  /** Instructions retired since power-on, over all resets. */
  readonly instructions: number;
  /** Guest time in ns since power-on. */
  readonly time: number;
  /** The processor waits in HLT. */
  readonly halted: boolean;
  /** RAM in bytes, and what of it the guest has touched and is in memory. */
  readonly memorySize: number;
  readonly memoryInUse: number;
  /** Of that, bytes that other guests hold, too: clones share what none of them has written. */
  readonly memoryShared: number;
  /** Bytes that it has touched and are swapped out. */
  readonly memorySwapped: number;
  /** How often a page of 4 KiB was swapped in and out so far. */
  readonly swaps: { readonly in: number; readonly out: number };
  registers(): Registers;
  /** Physical address of a linear one, as the supervisor reaches it; undefined if it is not mapped. @throws UserError */
  translate(linear: number): number | undefined;
  /**
   * Bytes at a linear address, up to the first page that is not mapped; at most 16 MiB. What is no memory shows as FFh.
   * @throws UserError for an address or a length that cannot be
   */
  peek(linear: number, length: number): Uint8Array;
  /** Bytes at a physical address; at most 16 MiB. What is no memory shows as FFh. @throws UserError */
  peekPhysical(address: number, length: number): Uint8Array;
  /** The text screen, line by line. */
  screen(): string[];
  /** A hash over everything that the guest could see: equal histories give equal hashes. */
  stateHash(): string;
}
