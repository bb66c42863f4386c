; Shell sort of 64 Ki random doublewords, with a loop of compares that end when they will.
COUNT equ 1 << 16

setup:
  ret

  align 16
work:
  ; The same pseudo-random numbers each round.
  mov edi, DATA
  mov eax, 12345
.fill:
  imul eax, eax, 1664525
  add eax, 1013904223
  mov [edi], eax
  add edi, 4
  cmp edi, DATA + COUNT * 4
  jb .fill

  mov ebp, 29524 ; gaps (3^k - 1) / 2
.gap:
  mov esi, ebp ; i
.insert:
  mov eax, [DATA + esi * 4]
  mov edi, esi
.shift:
  mov ecx, edi
  sub ecx, ebp
  jb .place
  mov edx, [DATA + ecx * 4]
  cmp edx, eax
  jle .place
  mov [DATA + edi * 4], edx
  mov edi, ecx
  jmp .shift
.place:
  mov [DATA + edi * 4], eax
  inc esi
  cmp esi, COUNT
  jb .insert
  mov eax, ebp
  xor edx, edx
  mov ecx, 3
  div ecx
  mov ebp, eax
  test ebp, ebp
  jnz .gap

  ; A checksum that knows the order.
  xor eax, eax
  mov esi, DATA
.sum:
  rol eax, 1
  xor eax, [esi]
  add esi, 4
  cmp esi, DATA + COUNT * 4
  jb .sum
  ret
