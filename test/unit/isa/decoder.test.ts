import { describe, expect, it } from 'vitest';
import type { DecodedInstruction } from '../../../src/isa/decoded-instruction.ts';
import { createDecoder, isFailure } from '../../../src/isa/decoder.ts';
import type { Mode } from '../../../src/isa/encoding.ts';
import { type Encoding, type InstructionRow, instruction } from '../../../src/isa/instruction.ts';

const row = (
  mnemonic: string,
  operands: InstructionRow['operands'],
  encodings: readonly Encoding[],
  more: Partial<InstructionRow> = {},
): InstructionRow =>
  instruction({ mnemonic, summary: '', manual: '', operands, encodings, flags: {}, execute: () => {}, ...more });

const ROWS = [
  row(
    'add',
    { dst: 'rw', src: 'r' },
    [
      ['00 /r', 'rm8', 'r8'],
      ['01 /r', 'rmv', 'rv'],
      ['03 /r', 'rv', 'rmv'],
      ['05 iz', 'rAX', 'immz'],
      ['81 /0 iz', 'rmv', 'immz'],
      ['83 /0 ib', 'rmv', 'imm8s'],
    ],
    { lockable: true },
  ),
  row('nop', {}, [['90']]),
  row('pause', {}, [['F3 90']]),
  row('xchg', { a: 'rw', b: 'rw' }, [['90+r', 'ov', 'rAX']]),
  row('mov', { dst: 'w', src: 'r' }, [
    ['B8+r iv', 'ov', 'immv'],
    ['A0', 'al', 'moffs8'],
    ['8E /r', 'sreg', 'rm16'],
    ['0F 22 /r i64 anymod', 'creg', 'rr32'],
    ['0F 22 /r f64 n64 anymod', 'creg', 'rr64'],
  ]),
  row('arpl', { dst: 'rw', src: 'r' }, [['63 /r i64', 'rm16', 'r16']]),
  row('movsxd', { dst: 'w', src: 'r' }, [['63 /r n64', 'rv', 'rm32']]),
  row('push', { src: 'r' }, [
    ['50+r d64', 'ov'],
    ['68 iz d64', 'immz'],
  ]),
  row('jcc', { target: 'r' }, [
    ['70+cc cb f64', 'rel8'],
    ['0F 80+cc cz f64', 'relz'],
  ]),
  row('jmp', { target: 'r' }, [
    ['EA cp i64', 'far'],
    ['FF /5', 'mfar'],
  ]),
  row('les', { dst: 'w', src: 'r' }, [['C4 /r i64', 'rv', 'mfar']]),
  row('movs', { dst: 'w', src: 'r' }, [['A5', 'dstStringv', 'srcStringv']], { repeat: 'rep' }),
  row('faddp', { dst: 'rw', src: 'r' }, [['DE C0+i', 'sti', 'st0']]),
  row('jecxz', { target: 'r' }, [['E3 cb a32 f64', 'rel8']]),
  row('jcxz', { target: 'r' }, [['E3 cb a16 f64', 'rel8']]),
];
const decoder = createDecoder(ROWS);
const bytesOf = (text: string) => Uint8Array.from(text.split(' ').map((byte) => Number.parseInt(byte, 16)));

function decode(text: string, mode: Mode): DecodedInstruction {
  const result = decoder.decode(bytesOf(text), 0, mode);
  if (isFailure(result)) throw new Error(`${text}: ${result.failure}`);
  return result;
}
const failureOf = (text: string, mode: Mode) => {
  const result = decoder.decode(bytesOf(text), 0, mode);
  return isFailure(result) ? result.failure : `decoded as ${result.row.mnemonic}`;
};

describe('ModR/M and SIB', () => {
  it('gives 32-bit addressing forms with base, index, scale and displacement', () => {
    expect(decode('01 84 8B 10 00 00 80', 32)).toMatchObject({
      length: 7,
      reg: 0,
      memory: { base: 3, index: 1, scale: 2, displacement: 0x10 - 0x8000_0000, segment: 3 },
    });
  });
  it('extends the sign of an 8-bit displacement', () => {
    expect(decode('01 45 80', 32).memory).toMatchObject({ base: 5, displacement: -128 });
    expect(decode('01 44 88 7F', 32).memory).toMatchObject({ base: 0, index: 1, displacement: 127 });
    expect(decode('01 44 24 FF', 64).memory).toMatchObject({ base: 4, displacement: -1 });
  });
  it('uses SS by default when the base is rSP or rBP, but not R12 or R13', () => {
    expect(decode('01 04 24', 32).memory).toMatchObject({ base: 4, index: undefined, segment: 2 });
    expect(decode('01 45 00', 32).memory).toMatchObject({ base: 5, segment: 2 });
    expect(decode('41 01 04 24', 64).memory).toMatchObject({ base: 12, segment: 3 });
    expect(decode('41 01 45 00', 64).memory).toMatchObject({ base: 13, segment: 3 });
  });
  it('has no base for mod 0, base 5, and no index for index 4 without REX.X', () => {
    expect(decode('01 04 65 04 00 00 00', 32).memory).toMatchObject({
      base: undefined,
      index: undefined,
      scale: 0,
      displacement: 4,
    });
    expect(decode('42 01 04 20', 64).memory).toMatchObject({ base: 0, index: 12 });
  });
  it('addresses relative to RIP in 64-bit mode and absolutely elsewhere', () => {
    expect(decode('01 05 FC FF FF FF', 64).memory).toMatchObject({ base: 'ip', displacement: -4 });
    expect(decode('01 05 FC FF FF FF', 32).memory).toMatchObject({ base: undefined, displacement: -4 });
  });
  it('gives 16-bit addressing forms', () => {
    expect(decode('01 02', 16).memory).toEqual({ base: 5, index: 6, scale: 0, displacement: 0, segment: 2 });
    expect(decode('01 0E FE FF', 16).memory).toEqual({
      base: undefined,
      index: undefined,
      scale: 0,
      displacement: -2,
      segment: 3,
    });
    expect(decode('67 01 44 FF', 32).memory).toEqual({
      base: 6,
      index: undefined,
      scale: 0,
      displacement: -1,
      segment: 3,
    });
  });
});

describe('prefixes', () => {
  it('takes 66 as the other operand size, REX.W as 64', () => {
    expect(decode('66 01 C0', 16).operandSize).toBe(32);
    expect(decode('66 01 C0', 32).operandSize).toBe(16);
    expect(decode('66 48 01 C0', 64).operandSize).toBe(64);
  });
  it('heeds REX only directly before the opcode', () => {
    expect(decode('48 66 01 C0', 64)).toMatchObject({ operandSize: 16, rex: false, length: 4 });
    expect(decode('44 4B 01 C0', 64)).toMatchObject({ operandSize: 64, rex: true, reg: 0, rm: 8 });
  });
  it('ignores ES, CS, SS and DS overrides in 64-bit mode', () => {
    expect(decode('64 2E 01 00', 64).segmentOverride).toBe(4);
    expect(decode('64 2E 01 00', 32).segmentOverride).toBe(1);
  });
  it('lets LOCK stand only before a lockable instruction with a memory destination', () => {
    expect(decode('F0 01 00', 32).lock).toBe(true);
    expect(failureOf('F0 01 C0', 32)).toBe('undefined');
    expect(failureOf('F0 03 00', 32)).toBe('undefined');
    expect(failureOf('F0 90', 32)).toBe('undefined');
  });
  it('raises #GP for more than 15 bytes, as soon as 15 are consumed without an end', () => {
    expect(decode(`${'66 '.repeat(13)}01 C0`, 32).length).toBe(15);
    expect(failureOf(`${'66 '.repeat(14)}01 C0`, 32)).toBe('tooLong');
    expect(failureOf('66 '.repeat(15).trim(), 32)).toBe('tooLong');
    expect(failureOf('66 '.repeat(14).trim(), 32)).toBe('incomplete');
  });
  it('tells NOP, PAUSE and XCHG apart', () => {
    expect(decode('90', 64).row.mnemonic).toBe('nop');
    expect(decode('F3 90', 64).row.mnemonic).toBe('pause');
    expect(decode('41 90', 64)).toMatchObject({ row: { mnemonic: 'xchg' }, rm: 8 });
    expect(decode('F3 41 90', 64)).toMatchObject({ row: { mnemonic: 'xchg' }, rm: 8 }); // as real CPUs do
    expect(decode('40 90', 64).row.mnemonic).toBe('nop');
  });
});

describe('the rest', () => {
  it('reports bytes that end too early', () => {
    for (const text of ['66', '0F', '01', '01 04', '01 80 00 00 00', '05 00 00 00', '83 C0']) {
      expect(failureOf(text, 32)).toBe('incomplete');
    }
  });
  it('sign-extends imm8s and immz, not immv', () => {
    expect(decode('83 C0 FF', 32).immediates).toEqual([-1n]);
    expect(decode('48 05 00 00 00 80', 64).immediates).toEqual([-0x8000_0000n]);
    expect(decode('48 B8 00 00 00 00 00 00 00 80', 64).immediates).toEqual([1n << 63n]);
    expect(decode('66 05 00 80', 32).immediates).toEqual([-0x8000n]);
  });
  it('reads memory offsets in the address size', () => {
    expect(decode('A0 01 02', 16).immediates).toEqual([0x201n]);
    expect(decode('A0 01 02 03 04 05 06 07 88', 64).immediates).toEqual([0x8807_0605_0403_0201n]);
    expect(decode('64 67 A0 01 00 00 80', 64)).toMatchObject({
      length: 7,
      memory: { displacement: 1 - 0x8000_0000, segment: 4 },
    });
  });
  it('defaults to 64-bit operands for pushes and near branches in 64-bit mode', () => {
    expect(decode('50', 64).operandSize).toBe(64);
    expect(decode('66 50', 64).operandSize).toBe(16);
    expect(decode('66 0F 84 00 00 00 80', 64)).toMatchObject({
      operandSize: 64,
      condition: 4,
      immediates: [-0x8000_0000n],
    });
    expect(decode('66 0F 84 00 80', 32)).toMatchObject({ operandSize: 16, immediates: [-0x8000n] });
  });
  it('reads far pointers, which 64-bit mode does not have', () => {
    expect(decode('EA 00 10 00 00 08 00', 32).immediates).toEqual([0x1000n, 8n]);
    expect(decode('EA 00 10 08 00', 16).immediates).toEqual([0x1000n, 8n]);
    expect(failureOf('EA 00 10 00 00 08 00', 64)).toBe('undefined');
  });
  it('refuses VEX, which shares the opcode of LES', () => {
    expect(decode('C4 00', 32).row.mnemonic).toBe('les');
    expect(failureOf('C4 C0', 32)).toBe('undefined');
    expect(failureOf('C4 00', 64)).toBe('undefined');
  });
  it('refuses to write CS and registers that do not exist', () => {
    expect(failureOf('8E C8', 32)).toBe('undefined');
    expect(failureOf('8E F0', 32)).toBe('undefined');
    expect(decode('44 8E D8', 64).reg).toBe(3); // REX.R does not count
    expect(failureOf('0F 22 C8', 32)).toBe('undefined');
    expect(decode('0F 22 05', 32)).toMatchObject({ reg: 0, rm: 5, memory: undefined, length: 3 });
  });
  it('chooses by mode, address size and ModR/M byte', () => {
    expect(decode('63 C0', 64).row.mnemonic).toBe('movsxd');
    expect(decode('63 C0', 32).row.mnemonic).toBe('arpl');
    expect(decode('E3 00', 32).row.mnemonic).toBe('jecxz');
    expect(decode('67 E3 00', 32).row.mnemonic).toBe('jcxz');
    expect(decode('DE C3', 32)).toMatchObject({ row: { mnemonic: 'faddp' }, rm: 3 });
  });
  it('gives the segment of the source string', () => {
    expect(decode('F3 26 A5', 32)).toMatchObject({ repeat: 'repe', memory: { base: 6, segment: 0 } });
  });
});

describe('a wrong table', () => {
  it('throws naming row and encoding', () => {
    const wrong =
      (mnemonic: string, operands: InstructionRow['operands'], ...encodings: Encoding[]) =>
      () =>
        createDecoder([row(mnemonic, operands, encodings)]);
    expect(wrong('x', { a: 'r' }, ['00 /r', 'rm8'])).toThrow(/row x, encoding '00 \/r, rm8'.*ModR\/M.reg/);
    expect(wrong('x', { a: 'r' }, ['00 ib', 'immz'])).toThrow(/ib does not fit immz/);
    expect(wrong('x', {}, ['00 xx'])).toThrow(/unknown word 'xx'/);
    expect(wrong('x', {}, ['70+cc'])).toThrow(/cc go together/);
    expect(wrong('x', {}, ['90'], ['90'])).toThrow(/same bytes/);
    expect(wrong('x', { a: 'r' }, ['80 /0', 'rm8'], ['80 /0 o16', 'rm8'])).toThrow(/same bytes/);
    expect(wrong('x', { a: 'r' }, ['51+r', 'ov'])).toThrow(/low bits/);
    expect(wrong('x', {}, ['66'])).toThrow(/prefix/);
  });
});
