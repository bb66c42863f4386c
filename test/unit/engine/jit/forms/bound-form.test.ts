import { describe, expect, it } from 'vitest';
import { ALL_FLAGS, type BoundForm } from '../../../../../src/engine/jit/forms/bound-form.ts';
import { STATUS_FLAGS, type StatusFlag } from '../../../../../src/isa/semantics.ts';
import { RegionCode } from '../../../../support/region-code.ts';

const flags = (...names: StatusFlag[]): number =>
  names.reduce((set, name) => set | (1 << STATUS_FLAGS.indexOf(name)), 0);
const namesOf = (set: number): StatusFlag[] => STATUS_FLAGS.filter((_, index) => set & (1 << index));

/** Bound forms of instructions, one after the other. */
function formsOf(source: string): BoundForm[] {
  const code = new RegionCode(`start: ${source}`);
  return code.instructions(code.at(0), 0).map(({ form }) => form);
}
const formOf = (source: string): BoundForm => formsOf(source)[0];
const kindsNeeded = (form: BoundForm, live: number) =>
  form.needed(live, { lends: false }).statements.map(({ kind }) => kind);

describe('what an instruction does with control', () => {
  it.each([
    ['add eax, ecx', { kind: 'none' }],
    ['jmp $', { kind: 'direct', distance: 0, conditional: false, returns: false }],
    ['jmp $ + 1000', { kind: 'direct', distance: 1000, conditional: false, returns: false }],
    ['jz $ - 20', { kind: 'direct', distance: -20, conditional: true, returns: false }],
    ['call $ - 70000', { kind: 'direct', distance: -70000, conditional: false, returns: true }],
    ['loop $ + 9', { kind: 'direct', distance: 9, conditional: true, returns: false }],
    ['ret', { kind: 'computed', conditional: false, returns: false }],
    ['ret 8', { kind: 'computed', conditional: false, returns: false }],
    ['jmp eax', { kind: 'computed', conditional: false, returns: false }],
    ['jmp [ebx + 4]', { kind: 'computed', conditional: false, returns: false }],
    ['call eax', { kind: 'computed', conditional: false, returns: true }],
  ])('%s', (source, transfer) => expect(formOf(source).transfer).toEqual(transfer));

  it('and whether it only faults', () => {
    expect(formOf('ud2').onlyFaults).toBe(true);
    expect(formOf('div ecx').onlyFaults).toBe(false);
  });
});

describe('flags', () => {
  it.each([
    ['cmp eax, ecx', ['CF', 'PF', 'AF', 'ZF', 'SF', 'OF']],
    ['sub al, 3', ['CF', 'PF', 'AF', 'ZF', 'SF', 'OF']],
    // AF is undefined behind it, and nobody is given that.
    ['test eax, eax', ['CF', 'PF', 'ZF', 'SF', 'OF']],
    ['mov eax, ecx', []],
    ['stc', ['CF']],
  ] as const)('%s gives %j', (source, given) => {
    expect(new Set(formOf(source).gives.keys())).toEqual(new Set(given));
  });

  it.each([
    ['cmp eax, ecx', true],
    ['inc ebx', true],
    ['shl eax, cl', true],
    ['stc', true],
    ['mov eax, ecx', false],
    ['push eax', false],
    ['jz $', false],
    ['lea eax, [ecx + 1]', false],
  ])('%s changes them: %s', (source, changes) => expect(formOf(source).changesFlags).toBe(changes));

  it('of a shift by CL are not given: it may leave them as they are', () => {
    for (const [name] of formOf('shl eax, cl').gives) expect(name).toBe('none');
  });
});

describe('what is needed', () => {
  it('of a comparison whose flags nobody looks at is nothing', () => {
    const compare = formOf('cmp eax, ecx');
    expect(kindsNeeded(compare, 0)).toEqual([]);
    for (const flag of STATUS_FLAGS) expect(kindsNeeded(compare, flags(flag))).toContain('flags');
  });

  it('of an addition without flags is the addition', () => {
    const add = formOf('add eax, ecx');
    expect(kindsNeeded(add, 0)).not.toContain('flags');
    expect(kindsNeeded(add, 0)).toContain('write');
    expect(kindsNeeded(add, ALL_FLAGS)).toContain('flags');
  });

  it('of a load stays, even where its result is not: it can fault', () => {
    expect(kindsNeeded(formOf('cmp eax, [ecx]'), 0)).toContain('load');
    expect(kindsNeeded(formOf('mov eax, [ecx]'), 0)).toContain('load');
  });

  it.each([
    ['mov eax, ecx', 'CF ZF'],
    ['cmp eax, ecx', ''],
    ['add eax, ecx', ''],
    ['adc eax, ecx', 'CF'],
    ['sbb eax, eax', 'CF'],
    ['setz al', 'CF ZF'],
    // Control may leave there, and whoever goes on may look at any.
    ['jbe $', 'CF PF AF ZF SF OF'],
    ['push eax', 'CF PF AF ZF SF OF'],
    ['add eax, [ecx]', 'CF PF AF ZF SF OF'],
    ['cmovs eax, edx', 'CF ZF SF'],
  ])('before %s, CF and ZF being live behind it: %s', (source, expected) => {
    const { liveBefore } = formOf(source).needed(flags('CF', 'ZF'), { lends: false });
    expect(namesOf(liveBefore).join(' ')).toBe(expected);
  });

  it('before INC is the carry, if it is behind it', () => {
    const increment = formOf('inc eax');
    expect(namesOf(increment.needed(ALL_FLAGS, { lends: false }).liveBefore)).toContain('CF');
    expect(namesOf(increment.needed(flags('ZF'), { lends: false }).liveBefore)).toEqual([]);
  });

  it('before a shift by CL are all the flags that it may leave', () => {
    const { liveBefore } = formOf('shl eax, cl').needed(ALL_FLAGS, { lends: false });
    expect(namesOf(liveBefore)).toEqual(expect.arrayContaining(['CF', 'ZF', 'SF', 'PF', 'OF']));
  });

  it('are its temporaries, where others use them', () => {
    const compare = formOf('cmp eax, [ecx]');
    const kinds = (lends: boolean) =>
      compare.needed(0, { lends }).statements.filter(({ kind }) => kind === 'read').length;
    expect(kinds(true)).toBeGreaterThan(kinds(false));
  });

  it('is worked out once', () => {
    const add = formOf('add eax, ecx');
    expect(add.needed(5, { lends: true })).toBe(add.needed(5, { lends: true }));
    expect(add.needed(5, { lends: false })).not.toBe(add.needed(5, { lends: true }));
  });
});

describe('flags of an instruction before', () => {
  const reads = (form: BoundForm) =>
    form.statements.filter((one) => one.kind === 'read' && one.place.space === 'flag').length;

  it('take the place of reading them', () => {
    const [compare, branch] = formsOf('cmp eax, ecx\n jbe $');
    expect([reads(branch), branch.borrows]).toEqual([2, false]);
    const fused = branch.withFlagsOf(compare);
    expect([reads(fused), fused.borrows]).toEqual([0, true]);
    expect(fused.transfer).toEqual(branch.transfer);
    expect(branch.withFlagsOf(compare)).toBe(fused);
    expect(reads(branch)).toBe(2);
  });

  it('take the place of those that it gives', () => {
    // The carry is none of those of INC.
    const [increment, branch] = formsOf('inc eax\n jbe $');
    const fused = branch.withFlagsOf(increment);
    expect(reads(fused)).toBeLessThanOrEqual(increment.gives.has('CF') ? 0 : 1);
  });

  it('change nothing for who reads none, or gets none', () => {
    const [compare, move, branch] = formsOf('cmp eax, ecx\n mov eax, edx\n jb $');
    expect(move.withFlagsOf(compare)).toBe(move);
    expect(branch.withFlagsOf(move)).toBe(branch);
  });

  it('are no longer live before it', () => {
    const [compare, add] = formsOf('cmp eax, ecx\n adc edx, 0');
    expect(namesOf(add.needed(0, { lends: false }).liveBefore)).toEqual(['CF']);
    expect(namesOf(add.withFlagsOf(compare).needed(0, { lends: false }).liveBefore)).toEqual([]);
  });

  it('may be a constant, and then decide a branch', () => {
    const [set, branch] = formsOf('stc\n jc $');
    expect(branch.withFlagsOf(set).transfer).toEqual({
      kind: 'direct',
      distance: 0,
      conditional: false,
      returns: false,
    });
  });
});
