; The clock: the second task. It looks for the next prime number, writes the top line of the screen, and leaves the rest
; of its ten milliseconds to the machine. It never gives the processor away by itself: the timer takes it.

WHITE_ON_BLUE   equ 0x1f

clock:
        call find_next_prime
        call format_status
        call draw_status
        hlt                             ; until the next interrupt
        jmp clock

; Puts the next prime number after [prime] there: tries divisors until their square is larger.
find_next_prime:
        pushad
        mov ebx, [prime]
.candidate:
        add ebx, 2
        mov ecx, 3                      ; ECX: divisor; even ones are out anyway
.divisor:
        mov eax, ecx
        mul ecx
        cmp eax, ebx
        ja .found
        mov eax, ebx
        xor edx, edx
        div ecx
        test edx, edx
        jz .candidate
        add ecx, 2
        jmp .divisor
.found: mov [prime], ebx
        popad
        ret

format_status:
        pushad
        mov edi, status
        mov ecx, COLUMNS
        mov al, ' '
        rep stosb
        mov edi, status
        mov esi, .title
        call format_string
        mov eax, [ticks]
        call format_seconds
        mov esi, .prime
        call format_string
        mov eax, [prime]
        call format_decimal
        popad
        ret
.title: db ` Vetro demo    seconds: `, 0
.prime: db `    largest prime found: `, 0

; Writes characters and colors. The shell never touches this row, so the two need no lock.
draw_status:
        pushad
        mov esi, status
        mov edi, SCREEN
        mov ecx, COLUMNS
        mov ah, WHITE_ON_BLUE
.cell:  lodsb
        stosw
        loop .cell
        popad
        ret
