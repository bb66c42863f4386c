/**
 * Model-specific registers, as a table: what exists, on which models, and what may be written. All others are #GP(0).
 * SDM Vol. 4, "Architectural MSRs". Memory types (PAT) are kept and have no effect: no cache can be seen here.
 *
 * Not modelled: IA32_APIC_BASE (1Bh) and the x2APIC's registers, which come with the APIC in a later issue. CPUID reports
 * no APIC, so who asks it does not come here; who does not gets #GP(0), as from any MSR that a processor has not.
 */
import type { Cpu } from './cpu.ts';
import type { FeatureName } from './cpu-model.ts';
import { raise } from './fault.ts';
import { CR0, EFER, MISC_ENABLE } from './register-bits.ts';
import type { CpuState, FieldName } from './state-layout.ts';

interface Msr {
  readonly name: string;
  /** Exists if the model has one of these features (or always). */
  readonly features?: readonly FeatureName[];
  read(cpu: Cpu): bigint;
  /** Gives the reason why the value is refused, if it is. Without `write` the register is read-only. */
  write?(cpu: Cpu, value: bigint): string | undefined;
}

/** Update level that "microcode" reports, in bits 63:32. */
const MICROCODE_REVISION = 1n << 32n;
/** IA32_MISC_ENABLE: no branch trace storage and no precise event sampling; read-only. */
const UNAVAILABLE = (1n << 11n) | (1n << 12n);
const MISC_ENABLE_WRITABLE = MISC_ENABLE.FAST_STRINGS | MISC_ENABLE.LIMIT_CPUID | MISC_ENABLE.XD_DISABLE;
/** UC, WC, WT, WP, WB, UC-. */
const MEMORY_TYPES = [0n, 1n, 4n, 5n, 6n, 7n];
const LOW_WORD = 0xffff_ffffn;

/** Values after reset. */
export const MSR_RESET = {
  pat: 0x0007_0406_0007_0406n,
  miscEnable: MISC_ENABLE.FAST_STRINGS,
} as const;

const SEP = ['sep'] as const;
const LONG = ['lm'] as const;
const LONG_SYSCALL = ['syscall'] as const;

const MSRS: ReadonlyMap<number, Msr> = new Map<number, Msr>([
  [
    0x10,
    {
      name: 'IA32_TIME_STAMP_COUNTER',
      features: ['tsc'],
      read: readTimeStamp,
      write(cpu, value) {
        cpu.state.tscOffset = BigInt.asUintN(64, value - cpu.timeStampCount);
        cpu.paravirtual?.timeStampMoved();
        return undefined;
      },
    },
  ],
  [0x17, { name: 'IA32_PLATFORM_ID', read: () => 0n }],
  // Systems write 0, execute CPUID and read the update level; there is nothing to update.
  [0x8b, { name: 'IA32_BIOS_SIGN_ID', read: () => MICROCODE_REVISION, write: () => undefined }],
  [
    0x174,
    {
      name: 'IA32_SYSENTER_CS',
      features: SEP,
      read: ({ state }) => BigInt(state.sysenterCs),
      write({ state }, value) {
        state.sysenterCs = Number(value & LOW_WORD);
        return undefined;
      },
    },
  ],
  [0x175, pointer('IA32_SYSENTER_ESP', 'sysenterEsp', SEP)],
  [0x176, pointer('IA32_SYSENTER_EIP', 'sysenterEip', SEP)],
  [
    0x1a0,
    {
      name: 'IA32_MISC_ENABLE',
      read: ({ state }) => state.miscEnable | UNAVAILABLE,
      write(cpu, value) {
        if ((value & ~(MISC_ENABLE_WRITABLE | UNAVAILABLE)) !== 0n) return 'reserved bit set';
        cpu.state.miscEnable = value & MISC_ENABLE_WRITABLE;
        return undefined;
      },
    },
  ],
  [
    0x277,
    {
      name: 'IA32_PAT',
      features: ['pat'],
      read: ({ state }) => state.pat,
      write({ state }, value) {
        for (let entry = 0n; entry < 64n; entry += 8n) {
          if (!MEMORY_TYPES.includes((value >> entry) & 0xffn)) return 'reserved memory type';
        }
        state.pat = value;
        return undefined;
      },
    },
  ],
  [
    0xc000_0080,
    { name: 'IA32_EFER', features: ['nx', 'syscall', 'lm'], read: ({ state }) => BigInt(state.efer), write: writeEfer },
  ],
  [0xc000_0081, quadword('IA32_STAR', 'star', LONG_SYSCALL)],
  [0xc000_0082, canonicalQuadword('IA32_LSTAR', 'lstar', LONG)],
  [0xc000_0083, canonicalQuadword('IA32_CSTAR', 'cstar', LONG)],
  [
    0xc000_0084,
    {
      name: 'IA32_FMASK',
      features: LONG,
      read: ({ state }) => state.sfmask,
      write({ state }, value) {
        if (value > LOW_WORD) return 'reserved bit set';
        state.sfmask = value;
        return undefined;
      },
    },
  ],
  [0xc000_0100, segmentBase('IA32_FS_BASE', 4)],
  [0xc000_0101, segmentBase('IA32_GS_BASE', 5)],
  [0xc000_0102, canonicalQuadword('IA32_KERNEL_GS_BASE', 'kernelGsBase', LONG)],
]);

/** @throws GuestFault #GP(0) for a register that the model has not */
export function readMsr(cpu: Cpu, address: number): bigint {
  return find(cpu, address, 'RDMSR').read(cpu);
}

/** @throws GuestFault #GP(0) for a register that the model has not, or a value that it refuses */
export function writeMsr(cpu: Cpu, address: number, value: bigint): void {
  const msr = find(cpu, address, 'WRMSR');
  const refused = msr.write === undefined ? 'read-only' : msr.write(cpu, value);
  if (refused !== undefined) {
    throw raise.GP(0, {
      check: `${msr.name}: ${refused}`,
      manual: 'SDM Vol. 2D, "WRMSR—Write to Model Specific Register"',
      on: { address, value },
    });
  }
}

/** RDTSC and the MSR read the same counter. */
export function readTimeStamp(cpu: Cpu): bigint {
  return BigInt.asUintN(64, cpu.timeStampCount + cpu.state.tscOffset);
}

function find(cpu: Cpu, address: number, instruction: string): Msr {
  const paravirtual = cpu.paravirtual?.register(address);
  if (paravirtual) {
    const { name } = paravirtual;
    return { name, read: () => paravirtual.read(), write: (_, value) => paravirtual.write(value) };
  }
  const msr = MSRS.get(address);
  const exists = msr !== undefined && (msr.features?.some((feature) => cpu.model.features.has(feature)) ?? true);
  if (!exists) throw raise.GP(0, { check: `${instruction}: no such model-specific register`, on: { address } });
  return msr;
}

/** SDM Vol. 4, "IA32_EFER". */
function writeEfer(cpu: Cpu, value: bigint): string | undefined {
  const { state, model } = cpu;
  const has = (feature: FeatureName, bit: number) => (model.features.has(feature) ? bit : 0);
  const noExecuteDisabled = (state.miscEnable & MISC_ENABLE.XD_DISABLE) !== 0n;
  const writable = has('syscall', EFER.SCE) | has('lm', EFER.LME) | (noExecuteDisabled ? 0 : has('nx', EFER.NXE));
  // LMA follows from LME and CR0.PG; what is written to it does not count.
  if ((value & ~BigInt(writable | EFER.LMA)) !== 0n) return 'reserved bit set';
  const next = (Number(value) & writable) | (state.efer & EFER.LMA);
  const changed = next ^ state.efer;
  if ((changed & EFER.LME) !== 0 && (state.cr0 & CR0.PG) !== 0) return 'LME changed while paging is on';
  state.efer = next;
  cpu.modeChanged();
  if ((changed & EFER.NXE) !== 0) cpu.mmu.flush('all');
  return undefined;
}

type PointerField = 'sysenterEsp' | 'sysenterEip';
type QuadwordField = FieldName & ('star' | 'lstar' | 'cstar' | 'kernelGsBase');

/** A linear address; its upper half exists on 64-bit processors only. */
function pointer(name: string, field: PointerField, features: readonly FeatureName[]): Msr {
  return {
    name,
    features,
    read: ({ state }) => BigInt(state[field]),
    write({ state, model }, value) {
      if (!model.features.has('lm')) value &= LOW_WORD;
      else if (!isCanonical(value)) return 'address not canonical';
      state[field] = Number(value);
      return undefined;
    },
  };
}

function quadword(name: string, field: QuadwordField, features: readonly FeatureName[]): Msr {
  return {
    name,
    features,
    read: ({ state }) => state[field],
    write({ state }, value) {
      state[field] = value;
      return undefined;
    },
  };
}

function canonicalQuadword(name: string, field: QuadwordField, features: readonly FeatureName[]): Msr {
  const register = quadword(name, field, features);
  return {
    ...register,
    write: (cpu, value) => (isCanonical(value) ? register.write!(cpu, value) : 'address not canonical'),
  };
}

function segmentBase(name: string, segment: number): Msr {
  const cache = (state: CpuState) => state.segments[segment];
  return {
    name,
    features: LONG,
    read: ({ state }) => BigInt(cache(state).base),
    write(cpu, value) {
      if (!isCanonical(value)) return 'address not canonical';
      cache(cpu.state).base = Number(value);
      cpu.modeChanged();
      return undefined;
    },
  };
}

const isCanonical = (address: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;
