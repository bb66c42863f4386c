; A linked list of 64 Ki nodes, 16 bytes each, in scrambled order: load after load, over 1 MiB.
NODES equ 1 << 16
NODE_SHIFT equ 4

setup: ; next(i) = 5 i + 1 modulo NODES has full period
  xor ecx, ecx
.node:
  lea eax, [ecx + ecx * 4 + 1]
  and eax, NODES - 1
  shl eax, NODE_SHIFT
  add eax, DATA
  mov edx, ecx
  shl edx, NODE_SHIFT
  mov [DATA + edx], eax
  mov [DATA + edx + 4], ecx
  inc ecx
  cmp ecx, NODES
  jb .node
  ret

  align 16
work:
  mov esi, DATA
  mov ecx, 10000000
  xor eax, eax
.loop:
  add eax, [esi + 4]
  mov esi, [esi]
  dec ecx
  jnz .loop
  ret
