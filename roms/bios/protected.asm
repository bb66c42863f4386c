; What 32-bit systems call without leaving protected mode: the PCI BIOS. "Standard BIOS 32-bit Service Directory Proposal"
; 0.4, Phoenix Technologies; "PCI BIOS Specification" 2.1. The caller's stack segment begins at linear address 0.

FIRMWARE_PCI    equ 0xce8               ; a call of the PCI BIOS; written is ESP

PCI_SERVICE     equ 0x49435024          ; "$PCI"
UNKNOWN_SERVICE equ 0x80
SEGMENT_SIZE    equ 0x10000

align 16
service_directory:
        db '_32_'
        dd 0xf0000 + find_service
        db 0                            ; revision
        db 1                            ; length in units of 16 bytes
        db -(0x123 + (find_service & 0xff) + (find_service >> 8) + 0x0f + 1) & 0xff
        times 5 db 0

bits 32

; EAX: which service, EBX: 0. Results: AL; EBX: its segment, ECX: the segment's length, EDX: the service's offset.
find_service:
        cmp eax, PCI_SERVICE
        jne .unknown
        mov ebx, 0xf0000
        mov ecx, SEGMENT_SIZE
        mov edx, pci_service
        mov al, 0
        retf
.unknown:
        mov al, UNKNOWN_SERVICE
        retf

; As INT 1Ah, AH=B1h. The frame is laid out as in service.asm.
pci_service:
        sub esp, 12
        pushad
        push eax                        ; in place of DS and ES
        mov eax, esp
        mov edx, FIRMWARE_PCI
        out dx, eax
        pop eax
        popad
        bt dword [esp + 8], 16          ; carry, as in the FLAGS of the frame
        lea esp, [esp + 12]
        retf

bits 16
