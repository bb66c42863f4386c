; Paging: every address that the program uses (linear) is looked up in tables that say where it lies (physical).
;
; An address has three parts: bits 31-22 choose an entry of the page directory, which says where a page table lies;
; bits 21-12 choose an entry of that table, which says where the page lies; bits 11-0 are the place within the page.
; The low bits of an entry say what is allowed.
;
;   00000000h  not mapped, so that a pointer never set is found out
;   00001000h  to 003FFFFFh: mapped to the same physical address ("identity"): code and data go on as before
;   C0000000h  one page, mapped to the text screen at B8000h
;   all else   not mapped

PRESENT         equ 1
WRITABLE        equ 2

SCREEN          equ 0xc0000000          ; where the program sees ...
SCREEN_MEMORY   equ 0xb8000             ; ... what the video card has here

set_up_paging:
        pushad
        mov edi, PAGE_DIRECTORY         ; directory and both tables lie one after the other: empty them all
        mov ecx, 3 * 4096 / 4
        xor eax, eax
        rep stosd
        mov dword [PAGE_DIRECTORY], LOW_PAGE_TABLE + PRESENT + WRITABLE
        mov dword [PAGE_DIRECTORY + (SCREEN >> 22) * 4], HIGH_PAGE_TABLE + PRESENT + WRITABLE
        mov dword [HIGH_PAGE_TABLE], SCREEN_MEMORY + PRESENT + WRITABLE

        mov edi, LOW_PAGE_TABLE + 4     ; all entries but the first
        mov eax, 0x1000 + PRESENT + WRITABLE
.entry: stosd
        add eax, 0x1000
        cmp edi, LOW_PAGE_TABLE + 4096
        jb .entry

        mov eax, PAGE_DIRECTORY
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80010000              ; CR0.PG, and CR0.WP: read-only pages are so for ring 0, too
        mov cr0, eax
        popad
        ret

; Does what the processor does at each access. EAX: linear address.
; Results: EAX = physical address; carry set if the page is not mapped.
translate:
        push ebx
        push ecx
        mov ecx, eax
        shr ecx, 22
        mov ebx, [PAGE_DIRECTORY + ecx * 4]
        test ebx, PRESENT
        jz .missing
        and ebx, 0xfffff000
        mov ecx, eax
        shr ecx, 12
        and ecx, 0x3ff
        mov ebx, [ebx + ecx * 4]
        test ebx, PRESENT
        jz .missing
        and ebx, 0xfffff000
        and eax, 0xfff
        or eax, ebx                     ; clears the carry flag, too
        jmp .done
.missing:
        stc
.done:  pop ecx
        pop ebx
        ret
