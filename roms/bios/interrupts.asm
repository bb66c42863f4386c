; Interrupts of devices that nobody has taken over: the controllers are told that they are over.

PIC1            equ 0x20
PIC2            equ 0xa0
END_OF_INTERRUPT equ 0x20
COPROCESSOR     equ 0xf0

; Lines 8 to 15.
end_upper_interrupt:
        push ax
        mov al, END_OF_INTERRUPT
        out PIC2, al
        jmp end_both

; Line 13, an error of the coprocessor, which programs expect as an NMI.
coprocessor_interrupt:
        push ax
        xor al, al
        out COPROCESSOR, al
        mov al, END_OF_INTERRUPT
        out PIC2, al
        out PIC1, al
        pop ax
        int 2
        iret

; Line 6: a program that drives the controller by itself asks for bit 7 of the seek status.
end_diskette_interrupt:
        push ax
        push ds
        mov ax, 0x40
        mov ds, ax
        or byte [0x3e], 0x80
        pop ds
        mov al, END_OF_INTERRUPT
        jmp end_both

; Lines 0 to 7.
end_lower_interrupt:
        push ax
        mov al, END_OF_INTERRUPT
end_both:
        out PIC1, al
        pop ax
        iret
