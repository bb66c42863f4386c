; An interpreter in the guest: a stack machine with eight operations, dispatched by an indirect jump.
COUNT equ VARIABLES
VARIABLE equ VARIABLES + 4

setup:
  ret

  align 16
work:
  mov dword [COUNT], 700000
  mov dword [VARIABLE], 0
  mov esi, program
  mov ebp, DATA + 0x1000
  xor eax, eax
  jmp dispatch

  align 4
operations: dd op_push, op_add, op_xor, op_shift, op_store, op_load, op_loop, op_end

; variable = ((variable + 77) << 1 ^ 5) + variable, `count` times
program: db 5, 0, 77, 1, 3, 0, 5, 2, 5, 1, 4, 6, 7

  align 16
dispatch:
  movzx edx, byte [esi]
  inc esi
  jmp [operations + edx * 4]

op_push: ; a byte follows
  movzx eax, byte [esi]
  inc esi
  sub ebp, 4
  mov [ebp], eax
  jmp dispatch
op_add:
  mov eax, [ebp]
  add ebp, 4
  add [ebp], eax
  jmp dispatch
op_xor:
  mov eax, [ebp]
  add ebp, 4
  xor [ebp], eax
  jmp dispatch
op_shift:
  shl dword [ebp], 1
  jmp dispatch
op_store:
  mov eax, [ebp]
  add ebp, 4
  mov [VARIABLE], eax
  jmp dispatch
op_load:
  mov eax, [VARIABLE]
  sub ebp, 4
  mov [ebp], eax
  jmp dispatch
op_loop: ; to the start, unless the count is used up
  dec dword [COUNT]
  jz dispatch
  mov esi, program
  jmp dispatch
op_end:
  mov eax, [VARIABLE]
  ret
