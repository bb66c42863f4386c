; Interrupts: the processor stops what it does, pushes EFLAGS, CS and EIP (for some exceptions also an error code) and
; goes to the handler whose address is in the interrupt descriptor table. IRET takes the three off the stack again.
;
;   vectors  0-31   exceptions: the processor itself has something to say
;   vectors 32-47   the 16 lines of the two interrupt controllers; only timer and serial port are let through

; The two 8259A interrupt controllers. The second one hangs at line 2 of the first.
PIC1            equ 0x20
PIC2            equ 0xa0
PIC_COMMAND     equ 0
PIC_DATA        equ 1
END_OF_INTERRUPT equ 0x20

FIRST_IRQ       equ 32                  ; vector of line 0; 33 is line 1 and so on
TIMER_IRQ       equ 0
SERIAL_IRQ      equ 4

; The 8254 timer: counts down at 1193182 Hz and starts again at 0.
TIMER_COUNTER_0 equ 0x40
TIMER_CONTROL   equ 0x43
TIMER_HZ        equ 1193182
TICKS_PER_SECOND equ 100

VECTORS         equ 48
PAGE_FAULT      equ 14

set_up_interrupts:
        pushad
        xor ebx, ebx                    ; EBX: vector
        mov eax, exception_stubs
.exception:
        call set_gate
        add eax, STUB_LENGTH
        inc ebx
        cmp ebx, FIRST_IRQ
        jb .exception
        mov eax, ignore_interrupt
.line:  call set_gate
        inc ebx
        cmp ebx, VECTORS
        jb .line
        mov eax, timer_interrupt
        mov ebx, FIRST_IRQ + TIMER_IRQ
        call set_gate
        mov eax, serial_interrupt
        mov ebx, FIRST_IRQ + SERIAL_IRQ
        call set_gate
        lidt [idt_register]

        ; Four initialization words to each controller. Where the BIOS puts its lines there are exceptions, since 1985.
        mov al, 00010001b               ; ICW1: edge triggered, cascaded, ICW4 follows
        out PIC1 + PIC_COMMAND, al
        out PIC2 + PIC_COMMAND, al
        mov al, FIRST_IRQ               ; ICW2: vector of the first line
        out PIC1 + PIC_DATA, al
        mov al, FIRST_IRQ + 8
        out PIC2 + PIC_DATA, al
        mov al, 1 << 2                  ; ICW3: the second controller is at line 2 (a mask) ...
        out PIC1 + PIC_DATA, al
        mov al, 2                       ; ... and knows it (a number)
        out PIC2 + PIC_DATA, al
        mov al, 1                       ; ICW4: 8086 mode
        out PIC1 + PIC_DATA, al
        out PIC2 + PIC_DATA, al
        mov al, ~(1 << TIMER_IRQ | 1 << SERIAL_IRQ) & 0xff
        out PIC1 + PIC_DATA, al         ; mask: a 1 keeps a line out
        mov al, 0xff
        out PIC2 + PIC_DATA, al

        mov al, 00110100b               ; counter 0, low byte then high byte, mode 2 (rate generator), binary
        out TIMER_CONTROL, al
        mov al, (TIMER_HZ / TICKS_PER_SECOND) & 0xff
        out TIMER_COUNTER_0, al
        mov al, (TIMER_HZ / TICKS_PER_SECOND) >> 8
        out TIMER_COUNTER_0, al
        popad
        ret

; Sets an entry of the interrupt descriptor table. EAX: the handler's address. EBX: vector.
set_gate:
        push eax
        mov [idt + ebx * 8], ax                     ; offset 15-0
        mov word [idt + ebx * 8 + 2], CODE          ; selector
        mov word [idt + ebx * 8 + 4], 0x8e00        ; present, ring 0, 32-bit interrupt gate: interrupts off inside
        shr eax, 16
        mov [idt + ebx * 8 + 6], ax                 ; offset 31-16
        pop eax
        ret

; A line that nobody expects, such as line 7 when a request vanished before the processor asked who it was.
ignore_interrupt:
        iretd

; Exceptions. All share one handler, which has to find out the vector: each has a CALL of its own in a row of 32, and
; the return address that it pushes tells which one it was.
STUB_LENGTH     equ 5
exception_stubs:
        times 32 call exception

HAS_ERROR_CODE  equ 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17

; Says what happened. A command of the shell is given up and the prompt comes back; in the other task it is the end.
; The program does not return to where the exception came from, so no register needs to be kept.
exception:
        pop eax
        sub eax, exception_stubs + STUB_LENGTH
        xor edx, edx
        mov ecx, STUB_LENGTH
        div ecx
        mov ebx, eax                    ; EBX: vector
        mov ebp, HAS_ERROR_CODE
        bt ebp, ebx
        mov ebp, 0                      ; EBP: error code (MOV leaves the carry flag alone)
        jnc .no_error_code
        pop ebp
.no_error_code:
        pop edi                         ; EDI: EIP of the instruction

        mov esi, .text
        call print
        mov al, [exception_names + ebx * 2]
        call put_char
        mov al, [exception_names + ebx * 2 + 1]
        call put_char
        mov esi, .text_at
        call print
        mov eax, edi
        call print_hex
        mov esi, .text_error_code
        call print
        mov eax, ebp
        call print_hex
        mov al, `\n`
        call put_char
        cmp ebx, PAGE_FAULT
        jne .explained
        mov eax, ebp
        call explain_page_fault
.explained:
        cmp dword [current_task], shell_task
        je give_up_command
        mov esi, .text_end
        call print
        jmp stop_machine

.text:          db `exception #`, 0
.text_at:       db ` at EIP `, 0
.text_error_code: db `, error code `, 0
.text_end:      db `It was not in the shell: end.\n`, 0

; Two letters each, in the order of the vectors.
exception_names:
        db 'DEDBNMBPOFBRUDNMDF??TSNPSSGPPF??MFACMCXM'
        times (32 - 20) * 2 db '?'

; EAX: error code of a page fault. The address that was asked for is in CR2.
explain_page_fault:
        pushad
        mov ebx, eax
        mov esi, .text_cr2
        call print
        mov eax, cr2
        call print_hex
        mov esi, .text_error
        call print

        mov esi, .read                  ; bit 1: a write
        test bl, 2
        jz .print_access
        mov esi, .write
.print_access:
        call print
        mov esi, .missing               ; bit 0: the page is there, but this is not allowed
        test bl, 1
        jz .print_reason
        mov esi, .forbidden
.print_reason:
        call print
        mov esi, .supervisor            ; bit 2: in ring 3
        test bl, 4
        jz .print_mode
        mov esi, .user
.print_mode:
        call print
        popad
        ret

.text_cr2:      db `  CR2, the address asked for: `, 0
.text_error:    db `\n  The error code says: `, 0
.read:          db `a read (bit 1 = 0)`, 0
.write:         db `a write (bit 1 = 1)`, 0
.missing:       db ` of a page that is not present (bit 0 = 0)`, 0
.forbidden:     db ` that the page's rights do not allow (bit 0 = 1)`, 0
.supervisor:    db `, by the supervisor (bit 2 = 0)\n`, 0
.user:          db `, by the user (bit 2 = 1)\n`, 0

; The end: no interrupt can wake the processor. An emulator, or a laptop, may take that for "switch me off".
stop_machine:
        cli
        hlt
        jmp stop_machine

idt_register:
        dw VECTORS * 8 - 1
        dd idt
align 8
idt:    resb VECTORS * 8
