; What every program is put into: a Multiboot image for 32-bit protected mode with flat segments, paging off.
; The program gives `setup` (once) and `work` (each round, without end); `work` leaves a checksum in EAX.
; A round is reported as 'S', the work, 'E', the checksum as eight hex digits; to COM1 and to debug port E9h.

COM1 equ 0x3f8
DEBUG_CONSOLE equ 0xe9
MULTIBOOT_MAGIC equ 0x1badb002
ADDRESSES_VALID equ 0x10000
LOAD_ADDRESS equ 0x100000
; Memory to write, in no page with code. A program uses DATA and what follows as it likes.
STACK_TOP equ 0x200000
VARIABLES equ 0x300000
DATA equ 0x400000

bits 32
org LOAD_ADDRESS
header:
  dd MULTIBOOT_MAGIC, ADDRESSES_VALID, 0 - MULTIBOOT_MAGIC - ADDRESSES_VALID
  dd header, header, image_end, image_end, entry
  align 16

entry:
  mov esp, STACK_TOP
  cld
  call setup
.round:
  mov al, 'S'
  call emit
  call work
  push eax
  mov al, 'E'
  call emit
  pop eax
  call emit_hex
  jmp .round

emit: ; AL
  mov dx, COM1
  out dx, al
  out DEBUG_CONSOLE, al
  ret

emit_hex: ; EAX
  mov ebx, eax
  mov ecx, 8
.digit:
  rol ebx, 4
  mov eax, ebx
  and eax, 15
  mov al, [hex_digits + eax]
  call emit
  dec ecx
  jnz .digit
  ret

hex_digits: db "0123456789abcdef"

  align 4096
