; The embedded demo: a very small operating system, for the assembler of Vetro.
;
; It is loaded at 0000:7C00 and started there in real-address mode, as a boot sector is (but it may be of any size). It
; switches to protected mode, turns paging on, and then two tasks share the processor, ten milliseconds each:
;
;   shell   reads commands from the first serial port and answers there and on the screen
;   clock   looks for prime numbers and shows the time in the top line of the screen
;
; Read on in this order; each file opens with its main idea:
;
;   demo.asm        from real mode to the first task
;   paging.asm      page directory, page tables, and where a page lies that is seen at another address
;   interrupts.asm  interrupt descriptor table, interrupt controllers, timer, exceptions
;   tasks.asm       how one task is taken off the processor and the other put on it
;   console.asm     serial port and screen, characters in and out
;   text.asm        numbers and strings
;   shell.asm       the prompt and its commands
;   clock.asm       the other task
;   variables.asm   all that is written to
;
; All code is 32-bit but for the first lines. A routine leaves all registers as they were but those that its comment
; calls a result. EAX is the argument unless it says otherwise.

org 0x7c00

; Physical memory below 1 MiB that is ours. Everything is below 64 KiB x 2, where a PC surely has memory.
PAGE_DIRECTORY   equ 0x10000
LOW_PAGE_TABLE   equ 0x11000    ; maps the first 4 MiB
HIGH_PAGE_TABLE  equ 0x12000    ; maps what lies at C0000000h and above
SHELL_STACK      equ 0x18000    ; stacks grow down from here
CLOCK_STACK      equ 0x1a000

; Selectors: places in the global descriptor table below.
CODE             equ 0x08
DATA             equ 0x10

bits 16
start:
        cli                             ; there is no interrupt table that we could trust
        cld
        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, start

        ; A20, the 21st address line, was once held low so that old programs found memory wrapped at 1 MiB. Bit 1 of
        ; system control port A lets it go; bit 0 would reset the processor.
        in al, 0x92
        or al, 2
        and al, 0xfe
        out 0x92, al

        ; Protected mode: descriptors instead of segment * 16. The far jump loads CS, and with it 32-bit code.
        lgdt [gdt_register]
        mov eax, cr0
        or al, 1                        ; CR0.PE
        mov cr0, eax
        jmp dword CODE:protected_mode

; Two flat segments, 4 GiB each: from here on, protection is the business of paging.
; An entry is limit 15-0, base 15-0, base 23-16, access rights, limit 19-16 with flags, base 31-24.
align 8
gdt:
        dq 0                            ; selector 0 is never used: loading it means "no segment"
        dw 0xffff, 0
        db 0, 10011010b, 11001111b, 0   ; present, ring 0, code, readable; 4-KiB units, 32-bit
        dw 0xffff, 0
        db 0, 10010010b, 11001111b, 0   ; present, ring 0, data, writable; 4-KiB units, 32-bit
gdt_register:
        dw $ - gdt - 1                  ; limit: the offset of the last byte
        dd gdt

bits 32
protected_mode:
        mov ax, DATA
        mov ds, ax
        mov es, ax
        mov fs, ax
        mov gs, ax
        mov ss, ax
        mov esp, SHELL_STACK

        call set_up_paging
        call set_up_interrupts          ; first: while the controllers are set up they forget who asked
        call set_up_console             ; behind them: a character from now on finds its way
        call set_up_tasks

        mov esi, greeting
        call print
        sti                             ; the timer ticks from here on, and the clock task gets its turns
        jmp shell                       ; what has run so far becomes the shell task

greeting:
        db `\n`
        db `Vetro demo: protected mode, paging, a timer interrupt and two tasks.\n`
        db `Type "help" for the commands, "halt" to end.\n\n`, 0

%include "demo/paging.asm"
%include "demo/interrupts.asm"
%include "demo/tasks.asm"
%include "demo/console.asm"
%include "demo/text.asm"
%include "demo/shell.asm"
%include "demo/clock.asm"
%include "demo/variables.asm"
