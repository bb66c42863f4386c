/**
 * The program that runs vectors on the host CPU, in our assembler's language. It lives inside a signal handler: every
 * vector ends in an exception (at the latest the breakpoint behind the instruction), whose frame the kernel has filled
 * with the whole machine state. The handler copies the state out, copies the next vector's state in, and lets
 * sigreturn load it. So no instruction of ours can disturb a register, and any exception is seen as it is.
 *
 * Sources: Linux uapi headers asm/sigcontext.h, asm/ucontext.h, asm/signal.h; system call numbers asm/unistd_64.h,
 * asm/unistd_32.h.
 */

/** Where everything lies in the harness's address space; the scratch pages have unmapped pages on both sides. */
export const HARNESS_MAP = {
  code: 0x40_0000,
  /** Alternate signal stack. */
  stack: 0x50_0000,
  stackSize: 0x1_0000,
  /** The page that holds the instruction under test; the rest of it is filled with breakpoints. */
  slotPage: 0x60_0000,
  slot: 0x60_0800,
  scratch: 0x70_0000,
  scratchSize: 0x3000,
  parameters: 0x1000_0000,
  vectors: 0x1000_1000,
  results: 0x4000_0000,
} as const;

/** Base of FS in the harness: operands with an FS override land in the scratch pages also with 16-bit addresses. */
export const FS_BASE = HARNESS_MAP.scratch;

/** Fields of the parameter page (8 bytes each in both modes). */
export const PARAMETER = {
  vector: 0,
  vectorEnd: 8,
  result: 16,
  resultStart: 24,
  fpuQuads: 32,
  windowQuads: 40,
  window: 48,
} as const;

const at = (field: keyof typeof PARAMETER): string => `[0x${(HARNESS_MAP.parameters + PARAMETER[field]).toString(16)}]`;

const SA_FLAGS = 0x4 | 0x0800_0000 | 0x0400_0000; // SA_SIGINFO | SA_ONSTACK | SA_RESTORER
const SIGNALS = [4, 5, 7, 8, 11]; // SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV

/** Vector: 18 registers in the order of `gregs`, window address, 16 code bytes, FPU image, window. */
export const HARNESS_64 = `
bits 64
org ${HARNESS_MAP.code}
start:
  mov eax, 131 ; sigaltstack
  mov edi, altstack
  xor esi, esi
  syscall
${SIGNALS.map(
  (signal) => `
  mov eax, 13 ; rt_sigaction
  mov edi, ${signal}
  mov esi, action
  xor edx, edx
  mov r10d, 8
  syscall`,
).join('')}
  mov eax, 158 ; arch_prctl(ARCH_SET_FS)
  mov edi, 0x1002
  mov esi, ${FS_BASE}
  syscall
  mov edi, ${HARNESS_MAP.slotPage}
  mov ecx, 4096
  mov al, 0xcc
  rep stosb
  int3
handler:
  mov rbx, rdx
  mov rdi, ${at('result')}
  lea rsi, [rbx + 40] ; uc_mcontext.gregs
  mov ecx, 23
  rep movsq
  mov rsi, [rbx + 224] ; uc_mcontext.fpregs
  mov rcx, ${at('fpuQuads')}
  rep movsq
  mov rsi, ${at('window')}
  mov rcx, ${at('windowQuads')}
  rep movsq
  mov ${at('result')}, rdi
  mov rsi, ${at('vector')}
  cmp rsi, ${at('vectorEnd')}
  jae finish
  lea rdi, [rbx + 40]
  mov ecx, 18
  rep movsq
  lodsq
  mov ${at('window')}, rax
  mov edi, ${HARNESS_MAP.slot}
  mov ecx, 2
  rep movsq
  mov rcx, ${at('fpuQuads')}
  test rcx, rcx
  je no_fpu
  mov rdi, [rbx + 224]
  mov rdx, rdi
  rep movsq
  cmp dword [rdx + 464], 0x46505853 ; FP_XSTATE_MAGIC1: an XSAVE image; its header must say that x87 state is there
  jne no_fpu
  or dword [rdx + 512], 1
no_fpu:
  mov rdi, ${at('window')}
  mov rcx, ${at('windowQuads')}
  rep movsq
  mov ${at('vector')}, rsi
  add rsp, 8
restorer:
  mov eax, 15 ; rt_sigreturn
  syscall
finish:
  mov rsi, ${at('resultStart')}
  mov rdx, ${at('result')}
  sub rdx, rsi
  je exit
  mov eax, 1 ; write
  mov edi, 1
  syscall
  test rax, rax
  js fail
  add ${at('resultStart')}, rax
  jmp finish
exit:
  mov eax, 60
  xor edi, edi
  syscall
fail:
  mov eax, 60
  mov edi, 1
  syscall
align 8
altstack: dq ${HARNESS_MAP.stack}, 0, ${HARNESS_MAP.stackSize}
action: dq handler, ${SA_FLAGS}, restorer, 0
`;

/** Vector: EDI ESI EBP ESP EBX EDX ECX EAX EIP EFLAGS, window address, 0, 16 code bytes, FSAVE image, window. */
export const HARNESS_32 = `
bits 32
org ${HARNESS_MAP.code}
start:
  mov eax, 186 ; sigaltstack
  mov ebx, altstack
  xor ecx, ecx
  int 0x80
${SIGNALS.map(
  (signal) => `
  mov eax, 174 ; rt_sigaction
  mov ebx, ${signal}
  mov ecx, action
  xor edx, edx
  mov esi, 8
  int 0x80`,
).join('')}
  mov eax, 243 ; set_thread_area
  mov ebx, user_desc
  int 0x80
  mov eax, [user_desc]
  lea eax, [eax * 8 + 3]
  mov fs, ax
  mov edi, ${HARNESS_MAP.slotPage}
  mov ecx, 4096
  mov al, 0xcc
  rep stosb
  int3
handler:
  mov ebx, [esp + 12]
  add ebx, 20 ; uc_mcontext
  mov edi, ${at('result')}
  mov esi, ebx
  mov ecx, 22
  rep movsd
  mov ecx, ${at('fpuQuads')}
  test ecx, ecx
  je no_fpu_out
  mov esi, [ebx + 76] ; fpstate
  add esi, 112 ; the FXSAVE image behind the FSAVE image
  mov ecx, 40
  rep movsd
no_fpu_out:
  mov esi, ${at('window')}
  mov ecx, ${at('windowQuads')}
  add ecx, ecx
  rep movsd
  mov ${at('result')}, edi
  mov esi, ${at('vector')}
  cmp esi, ${at('vectorEnd')}
  jae finish
  lea edi, [ebx + 16]
  mov ecx, 8
  rep movsd
  lodsd
  mov [ebx + 56], eax ; ip
  lodsd
  mov [ebx + 64], eax ; flags
  lodsd
  mov ${at('window')}, eax
  lodsd
  mov edi, ${HARNESS_MAP.slot}
  mov ecx, 4
  rep movsd
  mov ecx, ${at('fpuQuads')}
  test ecx, ecx
  je no_fpu
  mov edi, [ebx + 76]
  mov edx, edi
  mov ecx, 27 ; the kernel takes the x87 state from the FSAVE image
  rep movsd
  lodsd
  cmp dword [edx + 112 + 464], 0x46505853
  jne no_fpu
  or dword [edx + 112 + 512], 1
no_fpu:
  mov edi, ${at('window')}
  mov ecx, ${at('windowQuads')}
  add ecx, ecx
  rep movsd
  mov ${at('vector')}, esi
  add esp, 4
restorer:
  mov eax, 173 ; rt_sigreturn
  int 0x80
finish:
  mov ecx, ${at('resultStart')}
  mov edx, ${at('result')}
  sub edx, ecx
  je exit
  mov eax, 4 ; write
  mov ebx, 1
  int 0x80
  test eax, eax
  js fail
  add ${at('resultStart')}, eax
  jmp finish
exit:
  mov eax, 1
  xor ebx, ebx
  int 0x80
fail:
  mov eax, 1
  mov ebx, 1
  int 0x80
align 4
altstack: dd ${HARNESS_MAP.stack}, 0, ${HARNESS_MAP.stackSize}
action: dd handler, ${SA_FLAGS}, restorer, 0, 0
user_desc: dd -1, ${FS_BASE}, 0xfffff, 0x51 ; seg_32bit, limit_in_pages, useable
`;
