/** What CPUID answers. SDM Vol. 2A, "CPUID—CPU Identification". */
import type { Cpu } from './cpu.ts';
import { type CpuModel, FEATURE_BITS, type FeatureName } from './cpu-model.ts';
import { PARAVIRTUAL_LEAVES } from './paravirtual.ts';
import { MISC_ENABLE } from './register-bits.ts';
import type { CpuState } from './state-layout.ts';

export type CpuidResult = readonly [eax: number, ebx: number, ecx: number, edx: number];

const MAXIMUM_BASIC = 2;
const EXTENDED = 0x8000_0000;
const MAXIMUM_EXTENDED = 0x8000_0008;
/** Bytes that CLFLUSH flushes, divided by 8. */
const CLFLUSH_LINE = 64 / 8;
/** Leaf 80000007h, EDX: the time-stamp counter has one rate in all states. */
const INVARIANT_TSC = 1 << 8;

/** Leaf 1, ECX: a hypervisor is present, and answers in its leaves. */
const HYPERVISOR = 2 ** 31;

/** EAX, EBX, ECX and EDX, unsigned. No leaf of ours has subleaves yet. */
export function cpuid(cpu: Pick<Cpu, 'model' | 'state' | 'paravirtual'>, leaf: number, subleaf: number): CpuidResult {
  const { model, state, paravirtual } = cpu;
  if (paravirtual && leaf >= PARAVIRTUAL_LEAVES.FIRST && leaf <= PARAVIRTUAL_LEAVES.LAST)
    return paravirtual.cpuid(leaf);
  switch (leaf) {
    case 0: {
      const [ebx, edx, ecx] = words(model.vendor, 3);
      return [MAXIMUM_BASIC, ebx!, ecx!, edx!];
    }
    case 1:
      return [
        signature(model),
        CLFLUSH_LINE << 8,
        featureWord(model, state, 1, 'ecx') + (paravirtual ? HYPERVISOR : 0),
        featureWord(model, state, 1, 'edx'),
      ];
    // One query suffices (AL = 1), and no cache or TLB is described.
    case 2:
      return [1, 0, 0, 0];
    case EXTENDED:
      return [MAXIMUM_EXTENDED, 0, 0, 0];
    case EXTENDED + 1:
      return [0, 0, featureWord(model, state, leaf, 'ecx'), featureWord(model, state, leaf, 'edx')];
    case EXTENDED + 2:
    case EXTENDED + 3:
    case EXTENDED + 4: {
      const [eax, ebx, ecx, edx] = words(model.brand.padEnd(48, '\0'), 12).slice((leaf - EXTENDED - 2) * 4);
      return [eax!, ebx!, ecx!, edx!];
    }
    case EXTENDED + 5:
    case EXTENDED + 6:
      return [0, 0, 0, 0];
    case EXTENDED + 7:
      return [0, 0, 0, INVARIANT_TSC];
    case EXTENDED + 8:
      return [model.physicalBits | (model.linearBits << 8), 0, 0, 0];
    // Beyond the maximum, Intel processors answer with the highest basic leaf.
    default:
      return cpuid(cpu, MAXIMUM_BASIC, subleaf);
  }
}

/** Family, model and stepping as leaf 1 packs them: an extended family only from 15 on. */
export function signature({ family, model, stepping }: CpuModel): number {
  const extendedFamily = family >= 15 ? family - 15 : 0;
  return (extendedFamily << 20) | ((model >> 4) << 16) | (Math.min(family, 15) << 8) | ((model & 15) << 4) | stepping;
}

function featureWord(model: CpuModel, state: CpuState, leaf: number, register: 'ecx' | 'edx'): number {
  let word = 0;
  for (const name of model.features) {
    const [featureLeaf, featureRegister, bit] = FEATURE_BITS[name as FeatureName];
    if (featureLeaf !== leaf || featureRegister !== register) continue;
    if (name === 'nx' && (state.miscEnable & MISC_ENABLE.XD_DISABLE) !== 0n) continue;
    word |= 1 << bit;
  }
  return word >>> 0;
}

/** The text's characters as little-endian doublewords. Programs that read the time ask for the vendor before, all the time. */
function words(text: string, count: number): number[] {
  const all = new Array<number>(count).fill(0);
  for (let at = 4 * count - 1; at >= 0; at--)
    all[at >>> 2] = ((all[at >>> 2]! << 8) | (text.charCodeAt(at) & 0xff)) >>> 0;
  return all;
}
