/** Code in protected mode, without a kernel. */
import { assemble } from '../../src/isa/assemble.ts';

/**
 * A boot sector's worth of code or more, begun at 0000:7C00, that enters protected mode with flat segments, loads DS with
 * the one for data, and goes on with `body`: 32-bit, interrupts off, without a stack.
 */
export const flatBoot = (body: string): Uint8Array =>
  assemble(`
    bits 16
    org 0x7c00
    cli
    lgdt [table]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp 8:flat
    align 8
    gdt: dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
    table: dw 23
    dd gdt
    bits 32
    flat: mov ax, 16
    mov ds, ax
    ${body}`).bytes;
