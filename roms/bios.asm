; Vetro's BIOS: the part that is code. All that decides is in src/firmware; what is here receives interrupts and resets,
; hands them over through a port, and does what it is told next.
;
; The image is the last 8 KiB of the segment F000h. The entries whose addresses programs have known since the IBM PC are
; where the "IBM PC Technical Reference" has them.
;
; Read on in this order:
;
;   bios.asm             entries at known addresses, tables, reset vector
;   bios/service.asm     how a call gets to the firmware and back
;   bios/interrupts.asm  interrupts of devices that nobody has taken over
;   bios/protected.asm   what 32-bit systems call
;
; `vetro` does not read this: the bytes are in src/firmware/rom-image.ts, which `npm run bless` writes.

org 0xe000
bits 16

; A piece that is too long for its place makes the next TIMES complain about a negative count.

times 0xe05b - $ db 0xff
power_on:
        jmp start

times 0xe2c3 - $ db 0xff
nmi:    iret

times 0xe3fe - $ db 0xff
disk:   jmp enter_disk

; The firmware puts the tables of the first two fixed disks here.
times 0xe401 - $ db 0xff
disk_tables:
        times 32 db 0

%include "bios/service.asm"
%include "bios/interrupts.asm"
%include "bios/protected.asm"

times 0xe6f2 - $ db 0xff
boot_strap:
        jmp enter_boot_strap

; INT 15h, AH=C0h.
times 0xe6f5 - $ db 0xff
configuration:
        dw 8                            ; bytes that follow
        db 0xfc, 0, 1                   ; model (AT), submodel, revision
        db 01110000b                    ; second 8259, clock, keyboard intercept (INT 15h, AH=4Fh)
        db 0, 0, 0, 0

times 0xe729 - $ db 0xff
baud_rates:
        dw 1047, 768, 384, 192, 96, 48, 24, 12

times 0xe739 - $ db 0xff
serial: jmp enter_serial

times 0xe82e - $ db 0xff
keyboard:
        jmp enter_keyboard

times 0xe987 - $ db 0xff
keyboard_interrupt:
        jmp enter_keyboard_interrupt

times 0xec59 - $ db 0xff
diskette:
        jmp enter_disk

times 0xef57 - $ db 0xff
diskette_interrupt:
        jmp end_diskette_interrupt

; INT 1Eh: parameters of a 1.44 MB drive. 82077AA data sheet, "Specify"; "IBM PS/2 BIOS Interface Technical Reference".
times 0xefc7 - $ db 0xff
diskette_parameters:
        db 0xaf, 0x02, 0x25             ; step rate and head unload; head load; ticks until the motor stops
        db 2, 18, 0x1b, 0xff            ; 512 bytes, sectors, gap, data length
        db 0x6c, 0xf6, 0x0f, 8          ; gap and filler when formatting, head settling in ms, motor start in 1/8 s

times 0xefd2 - $ db 0xff
printer:
        jmp enter_printer

times 0xf045 - $ db 0xff
        times 16 dw ignore

times 0xf065 - $ db 0xff
video:  jmp enter_video

; INT 1Dh: CRTC registers of a 6845 for modes 0-1, 2-3, 4-6 and 7.
times 0xf0a4 - $ db 0xff
video_parameters:
        db 0x38, 0x28, 0x2d, 0x0a, 0x1f, 6, 0x19, 0x1c, 2, 7, 6, 7, 0, 0, 0, 0
        db 0x71, 0x50, 0x5a, 0x0a, 0x1f, 6, 0x19, 0x1c, 2, 7, 6, 7, 0, 0, 0, 0
        db 0x38, 0x28, 0x2d, 0x0a, 0x7f, 6, 0x64, 0x70, 2, 1, 6, 7, 0, 0, 0, 0
        db 0x61, 0x50, 0x52, 0x0f, 0x19, 6, 0x19, 0x19, 2, 13, 11, 12, 0, 0, 0, 0

times 0xf841 - $ db 0xff
memory_size:
        jmp enter_memory_size

times 0xf84d - $ db 0xff
equipment:
        jmp enter_equipment

times 0xf859 - $ db 0xff
system: jmp enter_system

times 0xfe6e - $ db 0xff
clock:  jmp enter_clock

times 0xfea5 - $ db 0xff
timer_interrupt:
        jmp enter_timer_interrupt

times 0xff53 - $ db 0xff
ignore: iret

times 0xff54 - $ db 0xff
print_screen:
        jmp enter_print_screen

; The processor starts here, at the last 16 bytes of 4 GiB, and comes down into the segment F000h.
times 0xfff0 - $ db 0xff
        jmp 0xf000:power_on
        db '01/01/26'                   ; date of this BIOS
        db 0
        db 0xfc                         ; model: AT
        db 0
