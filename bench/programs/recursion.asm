; Fibonacci by its definition: CALL, RET, PUSH, POP.
setup:
  ret

  align 16
work:
  mov eax, 31
fibonacci: ; EAX → EAX
  cmp eax, 2
  jb .done
  push ebx
  push eax
  dec eax
  call fibonacci
  mov ebx, eax
  pop eax
  sub eax, 2
  call fibonacci
  add eax, ebx
  pop ebx
.done:
  ret
