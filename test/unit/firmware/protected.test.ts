/** The PCI BIOS as 32-bit systems find and call it. */
import { expect, it } from 'vitest';
import { runProgram } from '../../support/bios-machine.ts';

it.each(['interpreter', 'jit', 'reference'] as const)(
  'the 32-bit service directory leads to the PCI BIOS, on the %s',
  (engine) => {
    const { pc, output } = runProgram(
      `cli
    lgdt [gdt_register]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword 8:protected
    align 8
    gdt: dq 0
    dw 0xffff, 0
    db 0, 0x9a, 0xcf, 0
    dw 0xffff, 0
    db 0, 0x92, 0xcf, 0
    gdt_register: dw 23
    dd gdt
    far_pointer: dd 0
    dw 8
    bits 32
    protected: mov ax, 0x10
    mov ss, ax
    mov ds, ax
    mov esp, 0x7000
    mov esi, 0xe0000
    find: add esi, 16
    cmp dword [esi], '_32_'
    jne find
    xor eax, eax
    xor ebx, ebx
    mov ecx, 16
    sum: add al, [esi + ebx]
    inc ebx
    loop sum
    mov [0x8000], eax
    mov eax, [esi + 4]
    mov [far_pointer], eax
    mov eax, 0x12345678
    xor ebx, ebx
    call far [far_pointer]
    mov [0x8004], al
    mov eax, 0x49435024
    xor ebx, ebx
    call far [far_pointer]
    mov [0x8005], al
    add edx, ebx
    mov [far_pointer], edx
    mov ax, 0xb102
    mov ecx, 0x7113
    mov edx, 0x8086
    xor esi, esi
    call far [far_pointer]
    setc [0x8006]
    mov [0x8008], bx
    mov ax, 0xb10a
    mov edi, 8
    call far [far_pointer]
    mov [0x800c], ecx
    mov ax, 0xb10a
    mov edi, 1
    call far [far_pointer]
    setc [0x8007]
    mov al, '.'
    out 0xe9, al
    cli
    hlt
    bits 16`,
      { engine },
    );
    expect(output()).toBe('.');
    expect(pc.memory.read(0x8000, 1)).toBe(0);
    expect([...pc.memory.copyOut(0x8004, 4)]).toEqual([0x80, 0, 0, 1]);
    expect([pc.memory.read(0x8008, 2), pc.memory.read(0x800c, 4)]).toEqual([0x0b, 0x0680_0003]);
  },
);
