/** CLI, STI, PUSHF and POPF where something follows from them, and where nothing does. */
import { describe, expect, it } from 'vitest';
import { EFLAGS } from '../../../src/cpu/flags.ts';
import { runSystem, SYSTEM_ENGINES } from '../../support/system-machine.ts';

const { IF, DF, IOPL, NT, AC, ID, CF, PF, AF, ZF, SF, OF } = EFLAGS;

describe.each(SYSTEM_ENGINES)('%s', (engine) => {
  /** EFLAGS as PUSHF shows them after POPF of `image`. */
  const popped = (image: number, size: 'd' | 'w' = 'd') =>
    runSystem(
      engine,
      size === 'd'
        ? `push dword ${image}\npopfd\npushfd\npop dword [0x7000]\npush dword 2\npopfd`
        : `push dword ${IF | NT}\npopfd\npush word ${image}\npopfw\npushfd\npop dword [0x7000]\npush dword 2\npopfd`,
    ).read32(0x7000);

  it('all combinations of the status flags are popped and pushed', () => {
    for (let choice = 0; choice < 64; choice++) {
      const image = [CF, PF, AF, ZF, SF, OF].reduce((sum, bit, index) => sum | ((choice >> index) & 1 ? bit : 0), 2);
      expect(popped(image)).toBe(image);
    }
  });

  it('IF, DF and what needs the helper change', () => {
    for (const bits of [IF, DF, IF | DF, IOPL, NT, AC, ID, IF | ID | CF]) expect(popped(bits | 2)).toBe(bits | 2);
  });

  it('POPFW leaves the upper half alone', () => {
    expect(popped(CF | 2, 'w')).toBe(CF | 2);
  });

  it('at CPL 3 with IOPL 0 POPF leaves IF alone, CLI and STI raise #GP(0)', () => {
    const result = runSystem(
      engine,
      '@user pushfd / pop eax / or eax, 0x201 / push eax / popfd / pushfd / pop dword [0x7000]\n@user cli\n@user sti',
    );
    expect(result.read32(0x7000) & (IF | CF)).toBe((result.read32(0x3808) & IF) | CF);
    expect(result.exceptions.map(({ vector, errorCode }) => [vector, errorCode])).toEqual([
      [13, 0],
      [13, 0],
    ]);
  });

  it('POPF that sets TF traps after the next instruction', () => {
    const result = runSystem(engine, 'push dword 0x102\n@try popfd / nop / nop');
    expect(result.exceptions.map(({ vector }) => vector)).toEqual([1]);
  });
});
