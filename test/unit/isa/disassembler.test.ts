import { describe, expect, it } from 'vitest';
import { createDecoder, isFailure } from '../../../src/isa/decoder.ts';
import { disassemble } from '../../../src/isa/disassembler.ts';
import type { Mode } from '../../../src/isa/encoding.ts';
import { INSTRUCTIONS } from '../../../src/isa/table.ts';

const decoder = createDecoder(INSTRUCTIONS);

function text(bytes: string, mode: Mode, address = 0x1000): string {
  const result = decoder.decode(Uint8Array.from(bytes.split(' ').map((byte) => Number.parseInt(byte, 16))), 0, mode);
  return isFailure(result) ? result.failure : disassemble(result, address, mode);
}

describe('disassembly', () => {
  it('shows memory with its size, and a segment only where it is not the default', () => {
    expect(text('8b 44 8b 10', 32)).toBe('mov eax, dword [ebx+ecx*4+0x10]');
    expect(text('36 8b 45 fc', 32)).toBe('mov eax, dword [ebp-4]');
    expect(text('3e 8b 45 fc', 32)).toBe('mov eax, dword [ds:ebp-4]');
    expect(text('8d 04 4d 00 00 00 00', 32)).toBe('lea eax, [ecx*2]');
    expect(text('8a 00', 16)).toBe('mov al, byte [bx+si]');
    expect(text('65 48 8b 04 25 28 00 00 00', 64)).toBe('mov rax, qword [gs:0x28]');
    expect(text('a1 00 00 00 80', 32)).toBe('mov eax, dword [0x80000000]');
  });
  it('gives branch targets and RIP-relative operands as addresses', () => {
    expect(text('eb fe', 32)).toBe('jmp 0x1000');
    expect(text('0f 84 fb ef ff ff', 32)).toBe('je 1');
    expect(text('e9 fd ef', 16)).toBe('jmp 0');
    expect(text('48 8d 05 f9 ff ff ff', 64)).toBe('lea rax, [rel 0x1000]');
    expect(text('eb 00', 64, 0)).toBe('jmp 2');
    expect(text('ea 00 10 00 00 08 00', 32)).toBe('jmp 8:0x1000');
    expect(text('ff 2b', 32)).toBe('jmp far [ebx]');
  });
  it('shows prefixes only where they mean something', () => {
    expect(text('f3 a5', 32)).toBe('rep movsd');
    expect(text('f3 26 a4', 32)).toBe('rep es movsb');
    expect(text('f2 ae', 32)).toBe('repne scasb');
    expect(text('f3 01 c0', 32)).toBe('add eax, eax');
    expect(text('f0 01 18', 32)).toBe('lock add dword [eax], ebx');
    expect(text('2e 74 00', 32)).toBe('je 0x1003');
    expect(text('67 01 c0', 32)).toBe('add eax, eax');
    expect(text('67 e2 00', 32)).toBe('a16 loop 0x1003');
    expect(text('67 e3 00', 32)).toBe('jcxz 0x1003');
    expect(text('66 c3', 32)).toBe('o16 ret');
    expect(text('66 6a ff', 32)).toBe('push word -1');
    expect(text('66 90', 32)).toBe('nop');
  });
  it('names instructions by their operand size and condition', () => {
    expect(text('66 98', 32)).toBe('cbw');
    expect(text('98', 32)).toBe('cwde');
    expect(text('48 98', 64)).toBe('cdqe');
    expect(text('cf', 32)).toBe('iret');
    expect(text('66 cf', 32)).toBe('iretw');
    expect(text('0f 9f c0', 32)).toBe('setg al');
    expect(text('0f 47 c1', 32)).toBe('cmova eax, ecx');
  });
  it('names byte registers by REX', () => {
    expect(text('88 e0', 64)).toBe('mov al, ah');
    expect(text('40 88 e0', 64)).toBe('mov al, spl');
    expect(text('44 88 c0', 64)).toBe('mov al, r8b');
  });
});
