import { describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.ts';
import { CPU_MODEL_NAMES, FEATURE_BITS, findCpuModel } from '../../../src/cpu/cpu-model.ts';
import { cpuid } from '../../../src/cpu/cpuid.ts';
import { MISC_ENABLE } from '../../../src/cpu/register-bits.ts';
import { createFakeCpu } from '../../support/fake-cpu.ts';

const ask = (leaf: number, model = 'i686', { state } = createFakeCpu()) =>
  cpuid({ model: findCpuModel(model), state }, leaf, 0);
const text = (words: readonly number[]) =>
  words.map((word) => String.fromCharCode(word & 255, (word >> 8) & 255, (word >> 16) & 255, word >>> 24)).join('');

/** Names of the feature bits that are set. */
function advertised(model: string): string[] {
  return Object.entries(FEATURE_BITS)
    .filter(([, [leaf, register, bit]]) => (ask(leaf, model)[register === 'ecx' ? 2 : 3] >>> bit) & 1)
    .map(([name]) => name);
}

describe('CPU models', () => {
  it('an unknown name is refused with the known ones', () => {
    expect(() => findCpuModel('z80')).toThrow(UserError);
    expect(() => findCpuModel('z80')).toThrow(/unknown CPU "z80"; known: i686/);
  });

  it('models for tests are not offered', () => {
    expect(CPU_MODEL_NAMES).toEqual(['i686']);
    expect(findCpuModel('x86-64').hidden).toBe(true);
  });
});

describe('CPUID', () => {
  it('leaf 0: highest basic leaf and the vendor in EBX, EDX, ECX', () => {
    const [eax, ebx, ecx, edx] = ask(0);
    expect(eax).toBe(2);
    expect(text([ebx, edx, ecx])).toBe('GenuineIntel');
  });

  it('leaf 1: family 6, and the features that the model lists, no others', () => {
    const [eax, ebx] = ask(1);
    expect((eax >>> 8) & 15).toBe(6);
    expect(eax).toBe(0x106ca);
    expect((ebx >>> 8) & 255).toBe(8);
    expect(new Set(advertised('i686'))).toEqual(findCpuModel('i686').features);
  });

  it('an i686 has what the Pentium Pro has for systems, SEP, FXSR and NX; neither SSE nor long mode', () => {
    const features = advertised('i686');
    for (const name of ['fpu', 'de', 'pse', 'tsc', 'msr', 'pae', 'cx8', 'sep', 'pge', 'cmov', 'fxsr', 'nx']) {
      expect(features).toContain(name);
    }
    for (const name of ['sse', 'mmx', 'lm', 'apic', 'mtrr', 'mce', 'vme', 'pse36', 'syscall']) {
      expect(features).not.toContain(name);
    }
  });

  it('every bit that is set has a name', () => {
    for (const [leaf, index] of [
      [1, 2],
      [1, 3],
      [0x8000_0001, 2],
      [0x8000_0001, 3],
    ] as const) {
      const known = Object.values(FEATURE_BITS)
        .filter(([ofLeaf, register]) => ofLeaf === leaf && (register === 'ecx' ? 2 : 3) === index)
        .reduce((word, [, , bit]) => word | (1 << bit), 0);
      expect(ask(leaf, 'x86-64')[index] & ~known).toBe(0);
    }
  });

  it('leaves 80000002h to 80000004h: the brand, ended by a zero', () => {
    const brand = text([0x8000_0002, 0x8000_0003, 0x8000_0004].flatMap((leaf) => [...ask(leaf)]));
    expect(brand).toHaveLength(48);
    expect(brand.replace(/\0+$/, '')).toBe('Vetro i686');
  });

  it('leaf 80000007h: the time-stamp counter is invariant', () => {
    expect(ask(0x8000_0007)).toEqual([0, 0, 0, 1 << 8]);
  });

  it('leaf 80000008h: widths of addresses', () => {
    expect(ask(0x8000_0008)[0]).toBe(0x2024);
    expect(ask(0x8000_0008, 'x86-64')[0]).toBe(0x3024);
  });

  it('a leaf beyond the highest answers like the highest basic one', () => {
    for (const leaf of [3, 0x7fff_ffff, 0x4000_0000, 0x8000_0009, 0xffff_ffff]) expect(ask(leaf)).toEqual(ask(2));
  });

  it('IA32_MISC_ENABLE can take NX back', () => {
    const cpu = createFakeCpu();
    expect((ask(0x8000_0001, 'i686', cpu)[3] >>> 20) & 1).toBe(1);
    cpu.state.miscEnable |= MISC_ENABLE.XD_DISABLE;
    expect((ask(0x8000_0001, 'i686', cpu)[3] >>> 20) & 1).toBe(0);
  });
});
