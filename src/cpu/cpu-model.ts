/**
 * CPU models by name: what CPUID says, and so which instructions, register bits and MSRs exist. A feature is advertised
 * only if it is there.
 */
import { UserError } from '../base/errors.ts';

export interface CpuModel {
  readonly name: string;
  /** Twelve characters. */
  readonly vendor: string;
  readonly brand: string;
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  /** Names of `FEATURE_BITS`. */
  readonly features: ReadonlySet<string>;
  /** MAXPHYADDR. */
  readonly physicalBits: number;
  readonly linearBits: number;
  /** Only for tests: not offered to users. */
  readonly hidden: boolean;
}

/** CPUID bits by feature: leaf, register and bit. SDM Vol. 2A, "CPUID—CPU Identification". */
export const FEATURE_BITS = {
  fpu: [1, 'edx', 0],
  vme: [1, 'edx', 1],
  de: [1, 'edx', 2],
  pse: [1, 'edx', 3],
  tsc: [1, 'edx', 4],
  msr: [1, 'edx', 5],
  pae: [1, 'edx', 6],
  mce: [1, 'edx', 7],
  cx8: [1, 'edx', 8],
  apic: [1, 'edx', 9],
  sep: [1, 'edx', 11],
  mtrr: [1, 'edx', 12],
  pge: [1, 'edx', 13],
  mca: [1, 'edx', 14],
  cmov: [1, 'edx', 15],
  pat: [1, 'edx', 16],
  pse36: [1, 'edx', 17],
  clfsh: [1, 'edx', 19],
  mmx: [1, 'edx', 23],
  fxsr: [1, 'edx', 24],
  sse: [1, 'edx', 25],
  sse2: [1, 'edx', 26],
  sse3: [1, 'ecx', 0],
  cx16: [1, 'ecx', 13],
  lahf: [0x8000_0001, 'ecx', 0],
  syscall: [0x8000_0001, 'edx', 11],
  nx: [0x8000_0001, 'edx', 20],
  pdpe1gb: [0x8000_0001, 'edx', 26],
  lm: [0x8000_0001, 'edx', 29],
} as const satisfies Record<string, readonly [leaf: number, register: 'ecx' | 'edx', bit: number]>;
export type FeatureName = keyof typeof FEATURE_BITS;

const I686_FEATURES: readonly FeatureName[] = [
  'fpu',
  'de',
  'pse',
  'tsc',
  'msr',
  'pae',
  'cx8',
  'sep',
  'pge',
  'cmov',
  'pat',
  'clfsh',
  'fxsr',
  'nx',
];

const MODELS: readonly CpuModel[] = [
  {
    name: 'i686',
    vendor: 'GenuineIntel',
    brand: 'Vetro i686',
    // Family 6 like the Pentium Pro; its number within the family is one that systems know to execute in order and
    // without speculation, which is true here: they leave out mitigations that would only cost time.
    family: 6,
    model: 0x1c,
    stepping: 10,
    features: new Set(I686_FEATURES),
    physicalBits: 36,
    linearBits: 32,
    hidden: false,
  },
  {
    name: 'x86-64',
    vendor: 'GenuineIntel',
    brand: 'Vetro x86-64',
    family: 6,
    model: 0x1c,
    stepping: 10,
    features: new Set<FeatureName>([...I686_FEATURES, 'sse', 'sse2', 'cx16', 'lahf', 'syscall', 'lm']),
    physicalBits: 36,
    linearBits: 48,
    hidden: true,
  },
];

/** Names that users may give. */
export const CPU_MODEL_NAMES: readonly string[] = MODELS.filter(({ hidden }) => !hidden).map(({ name }) => name);

/** @throws UserError for an unknown name, listing the known ones */
export function findCpuModel(name: string): CpuModel {
  const model = MODELS.find((candidate) => candidate.name === name);
  if (model === undefined) throw new UserError(`unknown CPU "${name}"; known: ${CPU_MODEL_NAMES.join(', ')}`);
  return model;
}
