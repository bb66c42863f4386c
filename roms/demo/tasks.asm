; Tasks: each has a stack of its own, and while it is off the processor all that is to be known about it lies there.
;
; The timer interrupt pushes EFLAGS, CS and EIP on the stack of the task that runs; PUSHAD adds the registers. Then the
; handler changes ESP: what it pops and returns to is the other task, which was left in the same place some time ago.

; A task's record.
TASK_NAME       equ 0                   ; address of a string
TASK_ESP        equ 4                   ; its stack pointer while it is off the processor
TASK_NEXT       equ 8                   ; whose turn it is after this one: the records form a ring
TASK_TURNS      equ 12                  ; how often it has been put on the processor

shell_name:     db `shell`, 0
clock_name:     db `clock`, 0

; Makes the stack of the clock task look as if it had been interrupted just before its first instruction.
set_up_tasks:
        pushad
        mov edi, CLOCK_STACK - 11 * 4
        mov [clock_task + TASK_ESP], edi
        xor eax, eax                    ; for POPAD: eight registers
        mov ecx, 8
        rep stosd
        mov eax, clock                  ; for IRET: EIP, CS and EFLAGS
        stosd
        mov eax, CODE
        stosd
        mov eax, 0x202                  ; interrupts enabled, and bit 1, which is always set
        stosd
        popad
        ret

timer_interrupt:
        pushad
        inc dword [ticks]
        mov al, END_OF_INTERRUPT        ; or the controller would let no further tick through
        out PIC1 + PIC_COMMAND, al

        mov ebx, [current_task]
        mov [ebx + TASK_ESP], esp
        mov ebx, [ebx + TASK_NEXT]
        mov esp, [ebx + TASK_ESP]       ; here the other task's time begins
        mov [current_task], ebx
        inc dword [ebx + TASK_TURNS]
        popad
        iretd
