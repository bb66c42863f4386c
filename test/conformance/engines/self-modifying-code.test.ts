/** Code that changes while it runs. SDM Vol. 3A, "Handling Self- and Cross-Modifying Code". */
import { describe, expect, it } from 'vitest';
import { runSystem, SYSTEM_ENGINES } from '../../support/system-machine.ts';

describe.each(SYSTEM_ENGINES)('self-modifying code, %s', (engine) => {
  it('a store to the next instruction of the running block takes effect at once', () => {
    const { eax } = runSystem(
      engine,
      `mov byte [target + 1], 42
      target: mov eax, 7`,
    );
    expect(eax).toBe(42);
  });

  it('a loop whose body it rewrites each time round executes each version', () => {
    const { eax } = runSystem(
      engine,
      `xor eax, eax
      mov ecx, 100
      again:
      mov [operand + 1], ecx
      operand: add eax, 0x11223344
      dec ecx
      jnz again`,
    );
    expect(eax).toBe(5050);
  });

  it('a subroutine overwritten from another page is decoded anew, also when both were linked', () => {
    const { eax } = runSystem(
      engine,
      `mov esi, 3
      xor eax, eax
      round:
      mov ecx, 20
      calls: call 0x30000
      dec ecx
      jnz calls
      add byte [0x30002], 1
      dec esi
      jnz round
      jmp done
      times 0x20000 - ($ - $$) db 0x90
      add eax, 1 ; 83 C0 01
      ret
      done:`,
    );
    expect(eax).toBe(20 * (1 + 2 + 3));
  });

  it('an instruction that crosses a page changes when its second page is written', () => {
    const { eax } = runSystem(
      engine,
      `mov edi, 0x30ffe
      mov dword [edi], 0x0001b890 ; nop, mov eax, 1
      mov dword [edi + 4], 0xc3000000
      mov byte [edi + 6], 0xc3
      call edi
      mov ebx, eax
      mov byte [0x31000], 5
      call edi
      shl eax, 8
      or eax, ebx`,
    );
    expect(eax).toBe(0x0501);
  });

  it('a repeated string store over code, its own included, takes effect', () => {
    const { eax, ecx } = runSystem(
      engine,
      `mov edi, over
      mov ecx, 16
      mov al, 0x40 ; inc eax
      mov ebx, ecx
      rep stosb
      xor eax, eax
      over: times 16 db 0x90`,
    );
    expect([eax, ecx]).toEqual([16, 0]);
  });

  it('code written through another mapping of the same page is noticed', () => {
    const { eax } = runSystem(
      engine,
      `@map
      mov edi, 0x500000
      mov eax, 1
      call 0x600000
      mov ebx, eax
      mov byte [0x500001], 9
      call 0x600000
      shl eax, 8
      or eax, ebx`.replace(
        '@map',
        `mov edi, 0x80000
        mov eax, 0x83
        directory: mov [edi], eax
        add eax, 0x400000
        add edi, 4
        cmp edi, 0x81000
        jb directory
        mov dword [0x80004], 0x81007
        mov dword [0x81400], 0x90007
        mov dword [0x81800], 0x90007
        mov dword [0x90000], 0x000003b8
        mov dword [0x90004], 0x0000c300
        mov eax, cr4
        or eax, 0x10
        mov cr4, eax
        mov eax, 0x80000
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax`,
      ),
    );
    expect(eax).toBe(0x0903);
  });
});
