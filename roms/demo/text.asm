; Text: strings end with a zero byte. What begins with "format" writes to memory at EDI and moves EDI past the text;
; what begins with "print" writes to the console.

; ESI: a string.
print:
        push eax
        push esi
.next:  lodsb
        test al, al
        jz .done
        call put_char
        jmp .next
.done:  pop esi
        pop eax
        ret

; EAX: a number, printed as eight hexadecimal digits.
print_hex:
        push eax
        push ecx
        mov ecx, 8
.digit: rol eax, 4                      ; the highest digit comes round to the lowest place
        call print_hex_digit
        loop .digit
        pop ecx
        pop eax
        ret

; AL: a byte, printed as two hexadecimal digits.
print_hex_byte:
        rol al, 4
        call print_hex_digit
        rol al, 4
        call print_hex_digit
        ret

; The low four bits of AL.
print_hex_digit:
        push eax
        and eax, 15
        mov al, [.digits + eax]
        call put_char
        pop eax
        ret
.digits: db '0123456789ABCDEF'

; EAX: a number, printed in decimal, right-aligned in a column of ECX characters.
print_decimal:
        pushad
        mov edi, .buffer
        call format_decimal
        mov edx, edi
        sub edx, .buffer                ; its length
        sub ecx, edx
        jbe .aligned
.space: mov al, ' '
        call put_char
        loop .space
.aligned:
        mov byte [edi], 0
        mov esi, .buffer
        call print
        popad
        ret
.buffer: resb 12

; EAX: a number. Digits come out of the division from right to left: the stack turns them around.
format_decimal:
        push eax
        push ebx
        push ecx
        push edx
        mov ebx, 10
        xor ecx, ecx                    ; how many digits
.divide:
        xor edx, edx
        div ebx
        push edx
        inc ecx
        test eax, eax
        jnz .divide
.write: pop eax
        add al, '0'
        stosb
        loop .write
        pop edx
        pop ecx
        pop ebx
        pop eax
        ret

; ESI: a string.
format_string:
        push eax
        push esi
.next:  lodsb
        test al, al
        jz .done
        stosb
        jmp .next
.done:  pop esi
        pop eax
        ret

; EAX: ticks of the timer, written as seconds with two decimals.
format_seconds:
        push eax
        push ecx
        push edx
        xor edx, edx
        mov ecx, TICKS_PER_SECOND
        div ecx
        call format_decimal
        mov al, '.'
        stosb
        mov eax, edx
        mov cl, 10
        div cl                          ; AL: tens, AH: ones
        add ax, '00'
        stosw
        pop edx
        pop ecx
        pop eax
        ret

; ESI: text. Results: EAX, the hexadecimal number there; ESI behind it; carry set if there is no digit.
parse_hex:
        push ebx
        push ecx
        mov ecx, esi
        xor ebx, ebx
.next:  movzx eax, byte [esi]
        cmp al, '0'
        jb .end
        cmp al, '9'
        jbe .digit
        or al, 0x20                     ; to lower case
        cmp al, 'a'
        jb .end
        cmp al, 'f'
        ja .end
        sub al, 'a' - '0' - 10
.digit: sub al, '0'
        shl ebx, 4
        or ebx, eax
        inc esi
        jmp .next
.end:   mov eax, ebx
        cmp ecx, esi                    ; equal: nothing was read
        cmc                             ; below: carry was set ...
        jne .done                       ; ... and is clear now
        stc
.done:  pop ecx
        pop ebx
        ret
