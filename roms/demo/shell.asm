; The shell: the first task. Prints a prompt, reads a line, and looks its first word up in the table of commands.

BACKSPACE       equ 0x08
DELETE          equ 0x7f                ; what most terminals send for the backspace key
ESCAPE          equ 0x1b
CTRL_C          equ 3
CTRL_D          equ 4
CTRL_U          equ 21
LINE_SIZE       equ 64

shell:
        mov esi, prompt
        call print
        call read_line
        call run_command
        jmp shell

; From an exception in a command: forgets all calls and interrupts on the stack and starts anew.
give_up_command:
        mov esp, SHELL_STACK
        sti
        jmp shell

; Reads a line with echo. Backspace takes a character back, Ctrl-U all of them; Ctrl-C gives an empty line; Ctrl-D in
; an empty line is "halt". Result: ESI, the line as a string.
read_line:
        push eax
        push edi
        mov edi, line                   ; EDI: where the next character goes
.next:  call get_char
        cmp al, `\r`
        je .end
        cmp al, `\n`
        je .end
        cmp al, BACKSPACE
        je .backspace
        cmp al, DELETE
        je .backspace
        cmp al, CTRL_U
        je .erase
        cmp al, CTRL_C
        je .break
        cmp al, CTRL_D
        je .end_of_input
        cmp al, ESCAPE
        je .escape
        cmp al, ' '
        jb .next
        cmp edi, line + LINE_SIZE - 1
        je .next                        ; full
        stosb
        call put_char
        jmp .next
.backspace:
        call erase_character
        jmp .next
.erase: cmp edi, line
        je .next
        call erase_character
        jmp .erase
.break: mov edi, line
        mov esi, .text_break
        call print
        jmp .end
.end_of_input:
        cmp edi, line
        jne .next
        mov al, `\n`
        call put_char
        jmp command_halt
.escape:                                ; an arrow or function key: ESC [ ... letter. We know none of them.
        call get_char
        cmp al, '['
        jne .next
.parameter:
        call get_char
        cmp al, '@'
        jb .parameter
        jmp .next
.end:   mov byte [edi], 0
        mov al, `\n`
        call put_char
        mov esi, line
        pop edi
        pop eax
        ret
.text_break:    db `^C`, 0

; Takes back the last character, if there is one, from the line that ends at EDI and from the terminal. Result: EDI.
erase_character:
        cmp edi, line
        je .done
        dec edi
        push esi
        mov esi, .rub_out
        call print
        pop esi
.done:  ret
.rub_out:       db `\b \b`, 0

; ESI: a line.
run_command:
        pushad
        call skip_spaces
        cmp byte [esi], 0
        je .done
        mov ebx, commands
.entry: cmp dword [ebx + COMMAND_NAME], 0
        je .unknown
        mov edi, [ebx + COMMAND_NAME]
        call match_word
        je .found
        add ebx, COMMAND_LENGTH
        jmp .entry
.found: call skip_spaces
        call [ebx + COMMAND_ROUTINE]    ; ESI: its arguments
        jmp .done
.unknown:
        mov esi, .text_unknown
        call print
.done:  popad
        ret
.text_unknown:  db `no such command; "help" lists them\n`, 0

; Whether the word at ESI is the string at EDI. Results: zero flag set if so, and then ESI behind the word.
match_word:
        push eax
        push edi
        push esi
.next:  mov al, [edi]
        test al, al
        jz .name_ends
        cmp al, [esi]
        jne .done
        inc esi
        inc edi
        jmp .next
.name_ends:
        cmp byte [esi], ' '
        je .same
        cmp byte [esi], 0
        jne .done
.same:  mov [esp], esi                  ; sets no flag: the zero flag is still set
.done:  pop esi
        pop edi
        pop eax
        ret

; Result: ESI at the next character that is no space.
skip_spaces:
        cmp byte [esi], ' '
        jne .done
        inc esi
        jmp skip_spaces
.done:  ret

; An entry of the table of commands.
COMMAND_NAME    equ 0
COMMAND_ROUTINE equ 4
COMMAND_HELP    equ 8
COMMAND_LENGTH  equ 12

commands:
        dd name_help, command_help, help_help
        dd name_ticks, command_ticks, help_ticks
        dd name_tasks, command_tasks, help_tasks
        dd name_mem, command_mem, help_mem
        dd name_fault, command_fault, help_fault
        dd name_spin, command_spin, help_spin
        dd name_cpuid, command_cpuid, help_cpuid
        dd name_reboot, command_reboot, help_reboot
        dd name_halt, command_halt, help_halt
        dd 0

name_help:      db `help`, 0
help_help:      db `        this list\n`, 0
name_ticks:     db `ticks`, 0
help_ticks:     db `       timer interrupts since the start\n`, 0
name_tasks:     db `tasks`, 0
help_tasks:     db `       the tasks and their turns on the processor\n`, 0
name_mem:       db `mem`, 0
help_mem:       db ` ADDRESS look at memory; try mem 7c00, mem c0000000, mem 0\n`, 0
name_fault:     db `fault`, 0
help_fault:     db `       write where no page is, and see what the processor says\n`, 0
name_spin:      db `spin`, 0
help_spin:      db `        keep the processor busy until Ctrl-C; the clock goes on\n`, 0
name_cpuid:     db `cpuid`, 0
help_cpuid:     db `       what the processor says it is\n`, 0
name_reboot:    db `reboot`, 0
help_reboot:    db `      reset the machine\n`, 0
name_halt:      db `halt`, 0
help_halt:      db `        stop the machine\n`, 0

prompt:         db `> `, 0

; The commands. ESI: arguments. They may change all registers.

command_help:
        mov ebx, commands
.entry: mov esi, [ebx + COMMAND_NAME]
        test esi, esi
        jz .done
        call print
        mov esi, [ebx + COMMAND_HELP]
        call print
        add ebx, COMMAND_LENGTH
        jmp .entry
.done:  ret

command_ticks:
        mov eax, [ticks]
        xor ecx, ecx
        call print_decimal
        mov edi, .seconds
        call format_seconds
        mov byte [edi], 0
        mov esi, .text_ticks
        call print
        mov esi, .seconds
        call print
        mov esi, .text_seconds
        call print
        ret
.text_ticks:    db ` ticks, `, 0
.text_seconds:  db ` seconds\n`, 0
.seconds:       resb 16

command_tasks:
        mov esi, .text_head
        call print
        mov ebx, shell_task
.task:  mov al, ' '
        cmp ebx, [current_task]
        jne .mark
        mov al, '*'
.mark:  call put_char
        mov al, ' '
        call put_char
        mov esi, [ebx + TASK_NAME]
        call print
        mov eax, [ebx + TASK_TURNS]
        mov ecx, 10
        call print_decimal
        mov al, ' '
        call put_char
        call put_char
        mov eax, [ebx + TASK_ESP]
        call print_hex
        mov al, `\n`
        call put_char
        mov ebx, [ebx + TASK_NEXT]
        cmp ebx, shell_task
        jne .task
        ret
.text_head:     db `  name      turns  stack when last taken off\n`, 0

MEM_ROWS        equ 4
MEM_ROW_BYTES   equ 16

command_mem:
        call parse_hex
        jnc .look
        mov esi, .text_usage
        call print
        ret
.look:  mov ebx, eax                    ; EBX: address
        call translate
        jc .bytes                       ; not mapped: let the processor say it
        mov edi, eax
        mov eax, ebx
        call print_hex
        mov esi, .text_is_at
        call print
        mov eax, edi
        call print_hex
        mov al, `\n`
        call put_char
.bytes: mov ecx, MEM_ROWS
.row:   call print_memory_row
        add ebx, MEM_ROW_BYTES
        loop .row
        ret
.text_usage:    db `mem takes an address, in hexadecimal\n`, 0
.text_is_at:    db ` is mapped to physical address `, 0

; EBX: address. First takes all bytes, so that a page fault does not leave half a line.
print_memory_row:
        pushad
        mov esi, ebx
        mov edi, .bytes
        mov ecx, MEM_ROW_BYTES
        rep movsb

        mov eax, ebx
        call print_hex
        xor ecx, ecx
.hex:   mov al, ' '
        call put_char
        mov al, [.bytes + ecx]
        call print_hex_byte
        inc ecx
        cmp ecx, MEM_ROW_BYTES
        jb .hex
        mov al, ' '
        call put_char
        call put_char
        xor ecx, ecx
.text:  mov al, [.bytes + ecx]
        cmp al, ' '
        jb .dot
        cmp al, '~'
        jbe .show
.dot:   mov al, '.'
.show:  call put_char
        inc ecx
        cmp ecx, MEM_ROW_BYTES
        jb .text
        mov al, `\n`
        call put_char
        popad
        ret
.bytes: resb MEM_ROW_BYTES

command_fault:
        mov byte [0xdeadbeef], 0
        ret                             ; is not reached

command_spin:
        mov esi, .text
        call print
.loop:  mov eax, [input_first]
        cmp eax, [input_end]
        je .loop                        ; nothing typed
        call get_char
        cmp al, CTRL_C
        jne .loop
        mov esi, .text_done
        call print
        ret
.text:          db `busy; Ctrl-C ends it\n`, 0
.text_done:     db `^C\n`, 0

command_cpuid:
        mov eax, 0                      ; the vendor's name, in EBX, EDX and ECX
        cpuid
        mov [.vendor], ebx
        mov [.vendor + 4], edx
        mov [.vendor + 8], ecx
        mov esi, .vendor
        call print

        mov eax, 1                      ; EAX: version, EDX: features
        cpuid
        mov ebx, eax
        mov esi, .text_family
        call print
        mov eax, ebx
        shr eax, 8
        call .print_4_bits
        mov esi, .text_model
        call print
        mov eax, ebx
        shr eax, 4
        call .print_4_bits
        mov esi, .text_stepping
        call print
        mov eax, ebx
        call .print_4_bits
        mov esi, .text_features
        call print

        mov esi, .names                 ; one string for each bit, empty if it has no name here
.feature:
        shr edx, 1
        jnc .next
        cmp byte [esi], 0
        je .next
        mov al, ' '
        call put_char
        call print
.next:  lodsb                           ; to the next string
        test al, al
        jnz .next
        test edx, edx
        jnz .feature
        mov al, `\n`
        call put_char
        ret

.print_4_bits:
        and eax, 15
        xor ecx, ecx
        jmp print_decimal

.vendor:        db `____________\n`, 0
.text_family:   db `family `, 0
.text_model:    db `, model `, 0
.text_stepping: db `, stepping `, 0
.text_features: db `\nfeatures:`, 0
.names:         db `fpu\0vme\0de\0pse\0tsc\0msr\0pae\0mce\0cx8\0apic\0\0sep\0mtrr\0pge\0mca\0cmov\0`
                db `pat\0pse36\0psn\0clfsh\0\0ds\0acpi\0mmx\0fxsr\0sse\0sse2\0ss\0htt\0tm\0\0pbe\0`

command_reboot:
        in al, 0x92                     ; system control port A: bit 0 going from 0 to 1 resets the processor
        and al, 0xfe
        out 0x92, al
        or al, 1
        out 0x92, al
        jmp stop_machine

command_halt:
        mov esi, .text
        call print
        jmp stop_machine
.text:          db `halted\n`, 0
