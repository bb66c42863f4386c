; What is written to lies in a page without code: processors watch pages with code, since what is written there may be code.

align 4096

; Tasks
shell_task:     dd shell_name, 0, clock_task, 1
clock_task:     dd clock_name, 0, shell_task, 0
current_task:   dd shell_task           ; who started us is the shell from now on
ticks:          dd 0                    ; timer interrupts since the start

; Console
cursor:         dd FIRST_ROW * COLUMNS  ; number of the cell where the next character goes
input_first:    dd 0                    ; place of the oldest character; equal to the end if there is none
input_end:      dd 0                    ; place of the next one to come
input:          resb INPUT_SIZE

; Shell
line:           resb LINE_SIZE

; Clock
prime:          dd 3                    ; the greatest found so far
status:         resb COLUMNS
