; Sieve of Eratosthenes over bytes, and a count of the primes.
LIMIT equ 1 << 20
PASSES equ VARIABLES

setup:
  ret

  align 16
work:
  mov dword [PASSES], 6
.pass:
  mov ecx, LIMIT / 4
  mov edi, DATA
.clear:
  mov dword [edi], 0
  add edi, 4
  dec ecx
  jnz .clear

  mov esi, 2
.candidate:
  cmp byte [DATA + esi], 0
  jne .next
  mov edi, esi
  imul edi, edi
.mark:
  cmp edi, LIMIT
  jae .next
  mov byte [DATA + edi], 1
  add edi, esi
  jmp .mark
.next:
  inc esi
  cmp esi, 1024
  jb .candidate

  xor eax, eax
  mov esi, 2
.count:
  cmp byte [DATA + esi], 1
  sbb edx, edx
  sub eax, edx
  inc esi
  cmp esi, LIMIT
  jb .count
  dec dword [PASSES]
  jnz .pass
  ret
