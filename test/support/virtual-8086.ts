/** A monitor for a task in virtual-8086 mode, as memory managers of DOS are. */
export const PAGED = 0x3_0000;
export const PAGED_FRAME = 0x5_0000;
/** Page directory, and the table of the first 4 MiB. */
export const PAGES = { DIRECTORY: 0x1_0000, TABLE: 0x1_1000 } as const;

/** Identity but for one page; a task state segment at 20000h whose map allows all ports; then a task at \`task\`. */
export const monitor = (task: string, { present = true } = {}) => `
  cli
  lgdt [gdt_register]
  mov ax, 0x2000
  mov es, ax
  mov word [es:0x66], 104
  mov dword [es:4], 0x9000
  mov dword [es:8], 0x10
  mov ax, 0x1000
  mov es, ax
  xor di, di
  mov eax, 0x11007
  stosd
  mov di, 0x1000
  mov eax, 7
  mov cx, 1024
  fill: stosd
  add eax, 0x1000
  loop fill
  mov dword [es:0x1000 + ${PAGED >>> 10}], ${present ? PAGED_FRAME + 7 : 0}
  lidt [idt_register]
  mov eax, 0x10000
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000001
  mov cr0, eax
  jmp dword 8:protected
  gdt: dq 0
  dw 0xffff, 0
  db 0, 0x9a, 0xcf, 0
  dw 0xffff, 0
  db 0, 0x92, 0xcf, 0
  dw 0x3ff, 0
  db 2, 0x89, 0, 0
  gdt_register: dw $ - gdt - 1
  dd gdt
  idt_register: dw 15 * 8 - 1
  dd idt - 14 * 8
  idt: dw page_fault, 8, 0x8e00, 0
bits 32
page_fault:
  push eax
  mov ax, 0x10
  mov ds, ax
  mov al, 'f'
  out 0xe9, al
  mov dword [0x11000 + ${PAGED >>> 10}], ${PAGED_FRAME + 7}
  mov eax, cr3
  mov cr3, eax
  pop eax
  add esp, 4
  iretd
protected:
  mov ax, 0x10
  mov ss, ax
  mov ds, ax
  mov esp, 0x9000
  mov ax, 0x18
  ltr ax
  push dword 0
  push dword 0
  push dword 0
  push dword ${PAGED >>> 4}
  push dword 0
  push dword 0x7000
  push dword 0x23002
  push dword 0
  push dword task
  iretd
bits 16
task: ${task}
  mov al, '.'
  out 0xe9, al
  hlt`;
