/**
 * The CPU state block: one struct in the pool's linear memory, declared once. From it come the typed accessors below,
 * the offsets that emitted wasm uses, and (later) gdb's register file and the snapshot schema.
 *
 * Kinds: 'u32' (number), 'pointer' (64-bit slot read as a number: exact below 2^53), 'u64' (BigInt).
 */
import type { Pool } from '../memory/pool.ts';

export type FieldKind = 'u32' | 'pointer' | 'u64';

const SIZE: Record<FieldKind, number> = { u32: 4, pointer: 8, u64: 8 };

/** General registers: sixteen 8-byte slots at offset 0. */
export const GPR_SLOT = 8;
/** A slot that is always zero: the base or index of an address that has none. */
export const ZERO_SLOT = 16 * GPR_SLOT;

/** Segment registers ES CS SS DS FS GS, then LDTR (6) and TR (7). */
export const SEGMENT_COUNT = 8;
export const LDTR = 6;
export const TR = 7;
/**
 * A segment register with its descriptor cache. `access` is the descriptor's second doubleword (type, S, DPL, P, AVL,
 * L, D/B, G at their places; limit and base bits zero); bit 16 set (`NULL_SEGMENT`) marks an unusable one.
 * `low`, `highRead`, `highWrite` bound the valid offsets: an access of n bytes at o is within the limit, and allowed by
 * the type, if o ≥ low and o + n − 1 ≤ high without wrap. They are derived from the rest by `refreshSegmentBounds`.
 */
export const SEGMENT_FIELDS = {
  base: 0,
  limit: 8,
  access: 12,
  selector: 16,
  low: 20,
  highRead: 24,
  highWrite: 28,
} as const;
export const SEGMENT_STRIDE = 32;
export const NULL_SEGMENT = 1 << 16;

export const HELPER_ARGUMENTS = 8;
export const HELPER_RESULTS = 4;

const FIELDS = {
  /** Offset of the current instruction, and of the one that follows (a helper transfers control by setting it). */
  ip: 'pointer',
  nextIp: 'pointer',
  /** Lazy status flags: see `flags.ts`. */
  flagResult: 'u64',
  flagCarries: 'u32',
  /** EFLAGS without the six status flags: TF IF DF IOPL NT RF VM AC VIF VIP ID. */
  flagsOther: 'u32',
  /** Instructions that may still retire in this run. */
  budget: 'u32',
  /** 1: the interrupt controller asks for an interrupt (INTR). */
  interruptRequest: 'u32',
  /** Budget at which the run stands right behind an STI that has set IF: no interrupt is taken there. */
  interruptShadow: 'u32',
  /** Budget at which the run stands before an instruction with RF = 1, which lasts no longer. Within a run `flagsOther` has not the bit. */
  resumePoint: 'u32',
  /** Set by a slow path or helper that recorded a fault in `Cpu.pendingFault`: the instruction is abandoned. */
  faulted: 'u32',
  /** Set when the dispatcher must look before the next block: an interrupt became deliverable, a mode changed, … */
  attention: 'u32',
  /** While a helper runs: instructions behind the running one that have been taken from the budget already. */
  ahead: 'u32',
  /** The interpreter's: the record being executed by a cold function, 0 outside. */
  record: 'u32',
  /** Between the two functions of the interpreter's loop: instruction pointer base, and the record to be linked. */
  base: 'pointer',
  linkFrom: 'u32',
  /** Generation and mode under which entries of the jump cache are valid. */
  jumpTag: 'u32',
  userGeneration: 'u32',
  supervisorGeneration: 'u32',
  /** Host addresses of the TLBs for the current privilege. */
  tlbRead: 'u32',
  tlbWrite: 'u32',
  tlbFetch: 'u32',
  /** Host addresses of all tables of the TLB, and of the fetch TLB: user's, then supervisor's. */
  tlbTables: 'u32',
  fetchTables: 'u32',
  /** Host address of what emitted code needs to fill them (`FILL_LOG`); 0: it leaves every miss to the MMU. */
  tlbLog: 'u32',
  /** Host address of the table of blocks by physical address. */
  blockTable: 'u32',
  /** Privilege level now (3 in virtual-8086 mode, 0 in real-address mode). */
  cpl: 'u32',
  /** Block key: code size, stack size, flatness; see `mode-key.ts`. */
  modeKey: 'u32',
  /** 64-bit value passed between emitted code and slow paths. */
  scratch: 'u64',
  scratchAddress: 'pointer',
  cr0: 'pointer',
  cr2: 'pointer',
  cr3: 'pointer',
  cr4: 'pointer',
  cr8: 'pointer',
  efer: 'pointer',
  /** PAE paging: the four page-directory-pointer-table entries, loaded and checked when CR3 (or CR0, CR4) is written. */
  pdpte0: 'pointer',
  pdpte1: 'pointer',
  pdpte2: 'pointer',
  pdpte3: 'pointer',
  gdtrBase: 'pointer',
  idtrBase: 'pointer',
  gdtrLimit: 'u32',
  idtrLimit: 'u32',
  dr0: 'pointer',
  dr1: 'pointer',
  dr2: 'pointer',
  dr3: 'pointer',
  dr6: 'pointer',
  dr7: 'pointer',
  /** DR6 bits of a debug trap (#DB) to be delivered when the running instruction has retired: data and I/O breakpoints. */
  pendingDebug: 'u32',
  sysenterCs: 'pointer',
  sysenterEsp: 'pointer',
  sysenterEip: 'pointer',
  star: 'u64',
  lstar: 'u64',
  cstar: 'u64',
  sfmask: 'u64',
  kernelGsBase: 'u64',
  pat: 'u64',
  apicBase: 'u64',
  miscEnable: 'u64',
  /** Added to the clock's time-stamp count (WRMSR to IA32_TIME_STAMP_COUNTER changes it). */
  tscOffset: 'u64',
  /** 1: halted by HLT until an interrupt. */
  halted: 'u32',
  /** 1: the instruction at `ip` is a repeated string instruction of which at least one iteration is done. */
  suspended: 'u32',
  /** 1: NMIs are blocked until IRET. */
  nmiBlocked: 'u32',
  /** A20 gate: mask ANDed to physical addresses. */
  a20Mask: 'u32',
  /** x87: control, status (TOP in bits 11..13), tag word (two bits a register, of which only 11 = empty counts: `readTagWord` derives the rest), last instruction and operand pointers. */
  fcw: 'u32',
  fsw: 'u32',
  ftw: 'u32',
  fop: 'u32',
  fip: 'pointer',
  fdp: 'pointer',
  fcs: 'u32',
  fds: 'u32',
  mxcsr: 'u32',
  /** FERR# as a waiting x87 instruction last drove it, with CR0.NE = 0; 1: asserted. */
  ferr: 'u32',
  /** Budget at which the run stands right behind a MOV or POP to SS: nothing but an exception is taken there. */
  stackShadow: 'u32',
} as const satisfies Record<string, FieldKind>;

export type FieldName = keyof typeof FIELDS;
type FieldValue<Kind extends FieldKind> = Kind extends 'u64' ? bigint : number;

const layOut = () => {
  const offsets: Record<string, number> = {};
  let at = ZERO_SLOT + 8;
  for (const [name, kind] of Object.entries(FIELDS)) {
    at = Math.ceil(at / SIZE[kind]) * SIZE[kind];
    offsets[name] = at;
    at += SIZE[kind];
  }
  const place = (bytes: number) => {
    at = Math.ceil(at / 16) * 16;
    const start = at;
    at += bytes;
    return start;
  };
  return {
    fields: offsets as Record<FieldName, number>,
    segments: place(SEGMENT_COUNT * SEGMENT_STRIDE),
    /** Physical x87 registers R0..R7, 16 bytes each: significand (8), sign and exponent (2). */
    x87: place(8 * 16),
    /** XMM0..XMM15, 16 bytes each (kept for FXSAVE/FXRSTOR). */
    xmm: place(16 * 16),
    helperArguments: place(HELPER_ARGUMENTS * 8),
    helperResults: place(HELPER_RESULTS * 8),
    size: Math.ceil(at / 64) * 64,
  };
};

/** Offsets from the state block's base. */
export const STATE = layOut();
export const FIELD_KINDS: Readonly<Record<FieldName, FieldKind>> = FIELDS;

/** Typed access to one CPU's state block. Property per field of the layout; registers and segments by number. */
export type CpuState = CpuStateBase & { -readonly [Name in FieldName]: FieldValue<(typeof FIELDS)[Name]> };

/** A segment register's cache, by field. */
export interface SegmentState {
  selector: number;
  base: number;
  limit: number;
  access: number;
  low: number;
  highRead: number;
  highWrite: number;
}

class CpuStateBase {
  readonly pool: Pool;
  /** Host address of the block. */
  readonly address: number;
  readonly segments: readonly SegmentState[];

  constructor(pool: Pool, address: number) {
    this.pool = pool;
    this.address = address;
    this.segments = Array.from(
      { length: SEGMENT_COUNT },
      (_, index) => new SegmentView(pool, address + STATE.segments + index * SEGMENT_STRIDE),
    );
  }

  reg8(index: number): number {
    return this.pool.views.u8[this.address + byteRegisterOffset(index)];
  }
  setReg8(index: number, value: number): void {
    this.pool.views.u8[this.address + byteRegisterOffset(index)] = value;
  }
  reg16(index: number): number {
    return this.pool.views.u32[(this.address >>> 2) + index * 2] & 0xffff;
  }
  /** Leaves the upper bits of the register as they are. */
  setReg16(index: number, value: number): void {
    const at = (this.address >>> 2) + index * 2;
    this.pool.views.u32[at] = (this.pool.views.u32[at] & 0xffff_0000) | (value & 0xffff);
  }
  reg32(index: number): number {
    return this.pool.views.u32[(this.address >>> 2) + index * 2];
  }
  /** Clears the upper half of the 64-bit register. */
  setReg32(index: number, value: number): void {
    const at = (this.address >>> 2) + index * 2;
    this.pool.views.u32[at] = value;
    this.pool.views.u32[at + 1] = 0;
  }
  reg64(index: number): bigint {
    return this.pool.views.u64[(this.address >>> 3) + index];
  }
  setReg64(index: number, value: bigint): void {
    this.pool.views.u64[(this.address >>> 3) + index] = value;
  }
}

/** AH CH DH BH are 4..7 (no REX): the second byte of slots 0..3. */
const byteRegisterOffset = (index: number): number => (index < 4 ? index * GPR_SLOT : (index - 4) * GPR_SLOT + 1);

class SegmentView implements SegmentState {
  readonly #pool: Pool;
  readonly #word: number;

  constructor(pool: Pool, address: number) {
    this.#pool = pool;
    this.#word = address >>> 2;
  }
  get base(): number {
    const { u32 } = this.#pool.views;
    return u32[this.#word] + u32[this.#word + 1] * 2 ** 32;
  }
  set base(value: number) {
    const { u32 } = this.#pool.views;
    u32[this.#word] = value;
    u32[this.#word + 1] = value / 2 ** 32;
  }
  get limit(): number {
    return this.#get(SEGMENT_FIELDS.limit);
  }
  set limit(value: number) {
    this.#set(SEGMENT_FIELDS.limit, value);
  }
  get access(): number {
    return this.#get(SEGMENT_FIELDS.access);
  }
  set access(value: number) {
    this.#set(SEGMENT_FIELDS.access, value);
  }
  get selector(): number {
    return this.#get(SEGMENT_FIELDS.selector);
  }
  set selector(value: number) {
    this.#set(SEGMENT_FIELDS.selector, value);
  }
  get low(): number {
    return this.#get(SEGMENT_FIELDS.low);
  }
  set low(value: number) {
    this.#set(SEGMENT_FIELDS.low, value);
  }
  get highRead(): number {
    return this.#get(SEGMENT_FIELDS.highRead);
  }
  set highRead(value: number) {
    this.#set(SEGMENT_FIELDS.highRead, value);
  }
  get highWrite(): number {
    return this.#get(SEGMENT_FIELDS.highWrite);
  }
  set highWrite(value: number) {
    this.#set(SEGMENT_FIELDS.highWrite, value);
  }
  #get(offset: number): number {
    return this.#pool.views.u32[this.#word + (offset >>> 2)];
  }
  #set(offset: number, value: number): void {
    this.#pool.views.u32[this.#word + (offset >>> 2)] = value;
  }
}

for (const [name, kind] of Object.entries(FIELDS)) {
  const offset = STATE.fields[name as FieldName];
  Object.defineProperty(CpuStateBase.prototype, name, accessors(kind, offset));
}

function accessors(kind: FieldKind, offset: number): PropertyDescriptor & ThisType<CpuStateBase> {
  switch (kind) {
    case 'u32':
      return {
        get() {
          return this.pool.views.u32[(this.address + offset) >>> 2];
        },
        set(value: number) {
          this.pool.views.u32[(this.address + offset) >>> 2] = value;
        },
      };
    case 'pointer':
      return {
        get() {
          const at = (this.address + offset) >>> 2;
          return this.pool.views.u32[at] + this.pool.views.u32[at + 1] * 2 ** 32;
        },
        set(value: number) {
          const at = (this.address + offset) >>> 2;
          this.pool.views.u32[at] = value;
          this.pool.views.u32[at + 1] = value / 2 ** 32;
        },
      };
    case 'u64':
      return {
        get() {
          return this.pool.views.u64[(this.address + offset) >>> 3];
        },
        set(value: bigint) {
          this.pool.views.u64[(this.address + offset) >>> 3] = value;
        },
      };
  }
}

/** Typed access to the state block at `address` (host). */
export const createCpuState = (pool: Pool, address: number): CpuState => new CpuStateBase(pool, address) as CpuState;
