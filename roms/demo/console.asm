; The console: what is printed goes to the first serial port and to the screen; what is typed comes from the serial port.
;
; Output waits until the port is ready. Input does not: the port interrupts when a character has come in, the handler
; puts it into a ring of bytes, and the shell takes it from there when it has time.

; The 16550A serial port.
COM1            equ 0x3f8
SERIAL_DATA     equ COM1 + 0            ; divisor, low byte, while bit 7 of the line control register is set
SERIAL_ENABLE   equ COM1 + 1            ; interrupt enable; divisor, high byte
SERIAL_FIFO     equ COM1 + 2
SERIAL_LINE     equ COM1 + 3            ; line control
SERIAL_MODEM    equ COM1 + 4            ; modem control
SERIAL_STATUS   equ COM1 + 5            ; line status
RECEIVED        equ 1                   ; in the interrupt enable and in the line status register: a character is here
CAN_SEND        equ 0x20

COLUMNS         equ 80
ROWS            equ 25
FIRST_ROW       equ 1                   ; row 0 belongs to the clock
GREY_ON_BLACK   equ 0x07
CRTC_INDEX      equ 0x3d4               ; the video card's registers: choose one, then read or write it
CRTC_DATA       equ 0x3d5
CURSOR_HIGH     equ 0x0e
CURSOR_LOW      equ 0x0f

INPUT_SIZE      equ 64                  ; a power of two

set_up_console:
        pushad
        mov dx, SERIAL_LINE
        mov al, 10000011b               ; 8 data bits, no parity, 1 stop bit; bit 7: now comes the divisor
        out dx, al
        mov dx, SERIAL_DATA
        mov al, 1                       ; 115200 baud / 1
        out dx, al
        mov dx, SERIAL_ENABLE
        mov al, 0
        out dx, al
        mov dx, SERIAL_LINE
        mov al, 00000011b
        out dx, al
        mov dx, SERIAL_FIFO
        mov al, 00000111b               ; FIFOs on and empty; interrupt at the first character
        out dx, al
        mov dx, SERIAL_MODEM
        mov al, 00001011b               ; DTR, RTS, and OUT2: on a PC it lets the port's interrupt through
        out dx, al
        mov dx, SERIAL_ENABLE
        mov al, RECEIVED
        out dx, al

        mov edi, SCREEN
        mov ecx, ROWS * COLUMNS
        mov ax, GREY_ON_BLACK << 8 | ' '
        rep stosw
        popad
        ret

; Output

; AL: the character. A line feed begins a new line.
put_char:
        pushad
        cmp al, `\n`
        jne .send
        mov al, `\r`                    ; a terminal's carriage has to be returned as well
        call send
        mov al, `\n`
.send:  call send
        call draw
        popad
        ret

; AL: a character for the serial port.
send:
        push edx
        push eax
        mov dx, SERIAL_STATUS
.wait:  in al, dx
        test al, CAN_SEND
        jz .wait
        pop eax
        mov dx, SERIAL_DATA
        out dx, al
        pop edx
        ret

; AL: a character for the screen, at the cursor. Each cell is two bytes: character and color.
draw:
        pushad
        mov edi, [cursor]
        cmp al, `\n`
        je .new_line
        cmp al, `\b`
        je .back
        cmp al, ' '
        jb .done                        ; other control characters leave no trace
        mov ah, GREY_ON_BLACK
        mov [SCREEN + edi * 2], ax
        inc edi
        jmp .moved
.back:  cmp edi, FIRST_ROW * COLUMNS
        je .done
        dec edi
        jmp .moved
.new_line:
        mov eax, edi                    ; round up to the next multiple of the width
        xor edx, edx
        mov ecx, COLUMNS
        div ecx
        inc eax
        mul ecx
        mov edi, eax
.moved: cmp edi, ROWS * COLUMNS
        jb .fits
        call scroll
        sub edi, COLUMNS
.fits:  mov [cursor], edi
        mov dx, CRTC_INDEX
        mov al, CURSOR_LOW
        out dx, al
        mov dx, CRTC_DATA
        mov eax, edi
        out dx, al
        mov dx, CRTC_INDEX
        mov al, CURSOR_HIGH
        out dx, al
        mov dx, CRTC_DATA
        mov eax, edi
        shr eax, 8
        out dx, al
.done:  popad
        ret

; Moves the rows up by one; the last one becomes empty.
scroll:
        pushad
        mov esi, SCREEN + (FIRST_ROW + 1) * COLUMNS * 2
        mov edi, SCREEN + FIRST_ROW * COLUMNS * 2
        mov ecx, (ROWS - FIRST_ROW - 1) * COLUMNS * 2 / 4
        rep movsd
        mov ax, GREY_ON_BLACK << 8 | ' '
        mov ecx, COLUMNS
        rep stosw
        popad
        ret

; Input

; Waits for a character; other tasks run meanwhile. Result: AL.
get_char:
        push ecx
        push edx
.wait:  cli                             ; or the character could come between looking and HLT, and we would oversleep
        mov ecx, [input_first]
        cmp ecx, [input_end]
        jne .take
        sti                             ; takes effect after the next instruction: nothing can come in between
        hlt
        jmp .wait
.take:  mov dx, SERIAL_ENABLE           ; there is room again: the handler may have turned this off
        mov al, RECEIVED
        out dx, al
        mov al, [input + ecx]
        inc ecx
        and ecx, INPUT_SIZE - 1
        mov [input_first], ecx
        sti
        pop edx
        pop ecx
        ret

; Takes all characters that are there. If the ring is full they stay in the port, which then holds back the sender.
serial_interrupt:
        pushad
.next:  mov dx, SERIAL_STATUS
        in al, dx
        test al, RECEIVED
        jz .done
        mov ebx, [input_end]
        lea ecx, [ebx + 1]
        and ecx, INPUT_SIZE - 1
        cmp ecx, [input_first]
        je .full
        mov dx, SERIAL_DATA
        in al, dx
        mov [input + ebx], al
        mov [input_end], ecx
        jmp .next
.full:  mov dx, SERIAL_ENABLE
        mov al, 0
        out dx, al
.done:  mov al, END_OF_INTERRUPT
        out PIC1 + PIC_COMMAND, al
        popad
        iretd
