; Arithmetic and logic between registers.
setup:
  ret

  align 16
work:
  mov eax, 1
  mov ebx, 0x12345678
  mov esi, 0x9e3779b9
  mov ecx, 3000000
.loop:
  add eax, esi
  xor ebx, eax
  lea edx, [ebx + eax * 4 + 7]
  rol ebx, 5
  sub eax, edx
  imul esi, edx, 69069
  adc ebx, 17
  shr edx, 3
  or eax, 1
  and edx, 0xffff
  add eax, edx
  neg ebx
  mov edx, eax
  inc edx
  xor esi, edx
  dec ecx
  jnz .loop
  xor eax, ebx
  ret
