; How a call gets to the firmware and back.
;
; Whoever calls finds his registers on the stack when he comes back, as the firmware has left them there. What the
; firmware reads and writes, from SS:SP on:
;
;    0  ES, DS                  12  EBP                     36  what to do next, its argument
;    4  EDI                     16  ESP (not used)          40  number of the service
;    8  ESI                     20  EBX, EDX, ECX, EAX      42  IP, CS, FLAGS of the caller
;
; As all of it lies on the caller's stack, services may be called from within interrupts that come while others wait.

FIRMWARE_CALL   equ 0xce0               ; a call begins; written is SS:SP
FIRMWARE_GO_ON  equ 0xce4               ; it goes on, after what was to be done next

NEXT            equ 36                  ; in the list above
ARGUMENT        equ 38

; What to do next. Everything else is the number of an interrupt to call, with AX as the argument says and carry set.
RETURN          equ 0
HALT            equ 0xff01              ; sleep, and look again: an interrupt ends it, or the firmware itself

; Services that have no interrupt of their own number.
POWER_ON        equ 0x100

; After power-on and reset. Below this is a stack that nobody has yet; not in the page of the boot sector, whose code a
; processor watches for changes.
STACK           equ 0x7000

start:  cli
        cld
        xor ax, ax
        mov ss, ax
        mov sp, STACK
        pushf
        push cs
        push word enter_boot_strap      ; where POWER_ON returns to
        push word POWER_ON
        jmp service

; The stack of whoever asks to boot is of no more use.
enter_boot_strap:
        cli
        xor ax, ax
        mov ss, ax
        mov sp, STACK
        pushf
        push cs
        push word enter_no_boot         ; is not returned to
        push word 0x19
        jmp service

enter_no_boot:
        push word 0x18
        jmp service
enter_print_screen:
        push word 0x05
        jmp service
enter_timer_interrupt:
        push word 0x08
        jmp service
enter_keyboard_interrupt:
        push word 0x09
        jmp service
enter_video:
        push word 0x10
        jmp service
enter_equipment:
        push word 0x11
        jmp service
enter_memory_size:
        push word 0x12
        jmp service
enter_disk:
        push word 0x13
        jmp service
enter_serial:
        push word 0x14
        jmp service
enter_system:
        push word 0x15
        jmp service
enter_keyboard:
        push word 0x16
        jmp service
enter_printer:
        push word 0x17
        jmp service
enter_clock:
        push word 0x1a
        jmp service
enter_clock_interrupt:
        push word 0x70

service:
        push dword RETURN
        pushad
        push ds
        push es
        mov dx, FIRMWARE_CALL
.tell:  mov ax, ss
        shl eax, 16
        mov ax, sp
        out dx, eax
        mov bp, sp
        mov bx, [bp + NEXT]
        mov dx, FIRMWARE_GO_ON
        test bx, bx
        jz service_end
        cmp bx, HALT
        je .halt

        xor ax, ax                      ; call an interrupt, as the instruction INT would
        mov ds, ax
        shl bx, 2
        mov ax, [bp + ARGUMENT]
        stc
        pushf
        call far [bx]
        mov bp, sp
        mov [bp + ARGUMENT], ax         ; it answers in AX and flags
        pushf
        pop word [bp + NEXT]
        cli
        mov dx, FIRMWARE_GO_ON
        jmp .tell

.halt:  sti
        hlt
halted: cli                             ; the firmware knows by this place who sleeps here
        jmp service.tell

service_end:
        pop es
        pop ds
        popad
        add sp, 6
        iret
