/*
 * All that the benchmark programs need of a C library: a start, system calls, memory, a line of output.
 * Each program is one file that defines `run`; its argument, a decimal number, says how much it does.
 */
#ifndef GUEST_H
#define GUEST_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

enum { SYS_EXIT = 1, SYS_FORK = 2, SYS_READ = 3, SYS_WRITE = 4, SYS_WAITPID = 7, SYS_EXECVE = 11, SYS_PIPE = 42 };
enum { SYS_GETPPID = 64, SYS_MMAP = 90, SYS_MUNMAP = 91 };
enum { AT_SYSINFO = 32 };

/* As the C library does: by the page that the kernel maps for it (SYSENTER where there is one), or by INT 80h. */
static void *kernel_entry;
static char **guest_arguments;

static inline int interrupt_call(int number, u32 first, u32 second, u32 third) {
  int result;
  asm volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(second), "d"(third) : "memory");
  return result;
}

static inline int system_call(int number, u32 first, u32 second, u32 third) {
  int result;
  if (!kernel_entry) return interrupt_call(number, first, second, third);
  asm volatile("call *%1"
               : "=a"(result)
               : "m"(kernel_entry), "a"(number), "b"(first), "c"(second), "d"(third)
               : "memory", "cc");
  return result;
}

static __attribute__((noreturn, noinline)) void quit(int status) {
  for (;;) system_call(SYS_EXIT, (u32)status, 0, 0);
}

/* The compiler calls these of its own accord. */
__attribute__((used)) void *memcpy(void *to, const void *from, u32 length) {
  u8 *target = to;
  const u8 *source = from;
  while (length--) *target++ = *source++;
  return to;
}

__attribute__((used)) void *memset(void *to, int value, u32 length) {
  u8 *target = to;
  while (length--) *target++ = (u8)value;
  return to;
}

static u32 text_length(const char *text) {
  u32 length = 0;
  while (text[length]) length++;
  return length;
}

/* Prints a name and a number in hex: what all emulators must agree on. */
static void report(const char *name, u32 value) {
  char line[64];
  u32 length = text_length(name);
  memcpy(line, name, length);
  line[length++] = ' ';
  for (int shift = 28; shift >= 0; shift -= 4) line[length++] = "0123456789abcdef"[value >> shift & 15];
  line[length++] = '\n';
  system_call(SYS_WRITE, 1, (u32)line, length);
}

/* Anonymous memory of its own; ends the program if there is none. */
static void *allocate(u32 bytes) {
  u32 arguments[6] = {0, bytes, 3 /* read, write */, 0x22 /* private, anonymous */, 0xffffffff, 0};
  u32 address = (u32)system_call(SYS_MMAP, (u32)arguments, 0, 0);
  if (address > 0xfffff000) quit(3);
  return (void *)address;
}

/* A linear congruential generator; the low bits are poor, so the high ones are mixed in. */
static inline u32 next_random(u32 *state) {
  *state = *state * 1664525 + 1013904223;
  return *state ^ *state >> 15;
}

static inline u32 mix(u32 sum, u32 value) { return (sum << 5 | sum >> 27) * 9 + value; }

static void run(u32 size);

__attribute__((used, noreturn)) void guest_start(u32 *stack) {
  u32 count = stack[0];
  guest_arguments = (char **)(stack + 1);
  u32 *after = stack + count + 2;
  while (*after++) {
  }
  for (; after[0]; after += 2)
    if (after[0] == AT_SYSINFO) kernel_entry = (void *)after[1];
  u32 size = 0;
  if (count > 1)
    for (const char *digit = guest_arguments[1]; *digit; digit++) size = size * 10 + (u32)(*digit - '0');
  run(size);
  quit(0);
}

asm(".globl _start\n"
    "_start:\n"
    "  xor %ebp, %ebp\n"
    "  mov %esp, %eax\n"
    "  and $-16, %esp\n"
    "  sub $12, %esp\n"
    "  push %eax\n"
    "  call guest_start\n");

#endif
