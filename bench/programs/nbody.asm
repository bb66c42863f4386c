; x87: five bodies, as a C compiler's code for the i386.
BODY equ 56
setup:
  mov eax, cr0
  or eax, 0x22
  mov cr0, eax
  fninit
  ret

  align 16
work:
  mov esi, initial
  mov edi, DATA
  mov ecx, 5 * 14
  rep movsd
  mov ebp, 20000
.step:
  mov esi, DATA
.outer:
  lea edi, [esi + BODY]
  cmp edi, DATA + 5 * BODY
  jae .move
.inner:
  fld qword [esi]
  fsub qword [edi]
  fld qword [esi + 8]
  fsub qword [edi + 8]
  fld qword [esi + 16]
  fsub qword [edi + 16]
  fld st2
  fmul st0, st3
  fld st2
  fmul st0, st3
  faddp st1, st0
  fld st1
  fmul st0, st2
  faddp st1, st0
  fld st0
  fsqrt
  fmulp st1, st0
  fdivr qword [dt]
  fstp qword [VARIABLES]
  fld qword [esi + 48]
  fmul qword [VARIABLES]
  fstp qword [VARIABLES + 8]
  fld qword [edi + 48]
  fmul qword [VARIABLES]
  fld st3
  fmul st0, st1
  fsubr qword [esi + 24]
  fstp qword [esi + 24]
  fld st2
  fmul st0, st1
  fsubr qword [esi + 32]
  fstp qword [esi + 32]
  fmul st0, st1
  fsubr qword [esi + 40]
  fstp qword [esi + 40]
  fmul qword [VARIABLES + 8]
  fadd qword [edi + 40]
  fstp qword [edi + 40]
  fmul qword [VARIABLES + 8]
  fadd qword [edi + 32]
  fstp qword [edi + 32]
  fmul qword [VARIABLES + 8]
  fadd qword [edi + 24]
  fstp qword [edi + 24]
  add edi, BODY
  cmp edi, DATA + 5 * BODY
  jb .inner
  add esi, BODY
  jmp .outer
.move:
  mov esi, DATA
.position:
  fld qword [esi + 24]
  fmul qword [dt]
  fadd qword [esi]
  fstp qword [esi]
  fld qword [esi + 32]
  fmul qword [dt]
  fadd qword [esi + 8]
  fstp qword [esi + 8]
  fld qword [esi + 40]
  fmul qword [dt]
  fadd qword [esi + 16]
  fstp qword [esi + 16]
  add esi, BODY
  cmp esi, DATA + 5 * BODY
  jb .position
  dec ebp
  jnz .step
  mov eax, [DATA]
  xor eax, [DATA + 4]
  ret
  align 8
dt: dq 0x3f847ae147ae147b
initial:
  dq 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x4043bd3cc9be45de
  dq 0x40135da0343cd92c, 0xbff290abc01fdb7c, 0xbfba86f96c25ebf0, 0x3fe367069b93ccbc, 0x40067ef2f57d949b, 0xbf99d2d79a5a070d, 0x3fa34c95da019262
  dq 0x4020afcdc332ca67, 0x40107fcb31de01b0, 0xbfd9d353e1eb467c, 0xbff02c21b8879437, 0x3ffd35e9bf1f8f0b, 0x3f813c485f1123b2, 0x3f871d490d07c610
  dq 0x4029c9eacea7d9cf, 0xc02e38e8d626667e, 0xbfcc9557be257da0, 0x3ff1531ca9911bd7, 0x3febcc7f3e54bbc3, 0xbf862f6bfaf23e67, 0x3f5c3dd29cf41eae
  dq 0x402ec267a905572a, 0xc039eb5833c8a220, 0x3fc6f1f393abe540, 0x3fef54b61659bc4a, 0x3fe307c631c4fba1, 0xbfa1cb8858dc6897, 0x3f60a8f3531799ab
