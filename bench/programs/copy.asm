; memcpy of 256 KiB, a doubleword at a time, by a loop of MOV.
SIZE equ 0x40000
SOURCE equ DATA
DESTINATION equ DATA + 0x140000 ; not a power of two away: translation caches are direct-mapped

setup:
  mov edi, SOURCE
  mov eax, 1
.fill:
  imul eax, eax, 1664525
  add eax, 1013904223
  mov [edi], eax
  add edi, 4
  cmp edi, SOURCE + SIZE
  jb .fill
  ret

  align 16
work:
  mov dword [SOURCE], 1
  mov ebx, 120
.pass:
  mov esi, SOURCE
  mov edi, DESTINATION
  mov ecx, SIZE / 4
.loop:
  mov eax, [esi]
  mov [edi], eax
  add esi, 4
  add edi, 4
  dec ecx
  jnz .loop
  inc dword [SOURCE]
  dec ebx
  jnz .pass
  mov eax, [DESTINATION]
  add eax, [DESTINATION + SIZE - 4]
  ret
