/**
 * A program that runs one x87 instruction on the host CPU for each record that it reads from its standard input, and
 * writes the record back with the state after it. A static executable, in our assembler's language; Linux, x86-64.
 * System call numbers: asm/unistd_64.h.
 */
import { assemble } from '../../isa/assemble.ts';
import { writeElf } from './elf.ts';

/** A record: an FSAVE image (108 bytes), the memory operand, RFLAGS, and what is in AX behind the instruction. */
export const X87_RECORD = { image: 0, memory: 112, flags: 128, ax: 136, size: 144 } as const;

/** AX before each instruction. */
const AX_BEFORE = 0x5555;
const MAP = { code: 0x40_0000, records: 0x50_0000 } as const;

const source = (instruction: readonly number[], batch: number): string => `
bits 64
org ${MAP.code}
start:
  mov r12d, ${MAP.records}
fill:
  xor eax, eax ; read
  xor edi, edi
  mov rsi, r12
  mov edx, ${MAP.records + batch * X87_RECORD.size}
  sub rdx, r12
  je run
  syscall
  test rax, rax
  js fail
  je run
  add r12, rax
  jmp fill
run:
  mov ebx, ${MAP.records}
  cmp rbx, r12
  je done
step:
  lea rsi, [rbx + ${X87_RECORD.memory}]
  mov eax, ${AX_BEFORE}
  push qword [rbx + ${X87_RECORD.flags}]
  popfq
  frstor [rbx]
  db ${instruction.join(', ')}
  fnsave [rbx]
  pushfq
  pop qword [rbx + ${X87_RECORD.flags}]
  mov [rbx + ${X87_RECORD.ax}], rax
  add rbx, ${X87_RECORD.size}
  cmp rbx, r12
  jb step
  mov r13d, ${MAP.records}
write:
  mov eax, 1 ; write
  mov edi, 1
  mov rsi, r13
  mov rdx, r12
  sub rdx, r13
  je start
  syscall
  test rax, rax
  js fail
  add r13, rax
  jmp write
done:
  mov eax, 60
  xor edi, edi
  syscall
fail:
  mov eax, 60
  mov edi, 1
  syscall
`;

/**
 * @param instruction its bytes; a memory operand is [RSI]
 * @param batch records that the program reads before it runs any
 */
export function x87Program(instruction: readonly number[], batch: number): Uint8Array {
  const { bytes } = assemble(source(instruction, batch), { bits: 64 });
  return writeElf(64, MAP.code, [
    { address: MAP.code, size: bytes.length, content: bytes, permissions: 'rx' },
    { address: MAP.records, size: batch * X87_RECORD.size, permissions: 'rw' },
  ]);
}
