/* An interpreter in the guest: a machine with a stack and ten operations, `size` times a thousand turns of its loop. */
#include "guest.h"

enum { PUSH, ADD, XOR, SHIFT, LOAD, STORE, SWAP, SKIP, LOOP, END };

static const u8 program[] = {
    LOAD, 0, PUSH, 77, ADD, STORE, 0,       /* a = a + 77 */
    LOAD, 0, SHIFT, 3, LOAD, 1, XOR,        /* b = (a << 3) ^ b */
    STORE, 1, LOAD, 0, SKIP, 4,             /* if a is odd, not: */
    LOAD, 1, STORE, 2,                      /*   c = b */
    LOAD, 1, LOAD, 2, SWAP, ADD, STORE, 1,  /* b = c + b */
    LOOP, 0, END,
};

static __attribute__((noinline)) u32 interpret(u32 turns) {
  u32 stack[16], variables[4] = {1, 2, 3, 4};
  u32 *top = stack;
  const u8 *at = program;
  for (;;) {
    u32 kept;
    switch (*at++) {
      case PUSH: *top++ = *at++; break;
      case ADD: top--, top[-1] += top[0]; break;
      case XOR: top--, top[-1] ^= top[0]; break;
      case SHIFT: top[-1] <<= *at++; break;
      case LOAD: *top++ = variables[*at++]; break;
      case STORE: variables[*at++] = *--top; break;
      case SWAP: kept = top[-1], top[-1] = top[-2], top[-2] = kept; break;
      case SKIP: at += *--top & 1 ? *at + 1u : 1u; break;
      case LOOP:
        if (--turns) at = program + *at;
        else at++;
        break;
      default: return mix(variables[0], mix(variables[1], variables[2]));
    }
  }
}

static void run(u32 size) { report("vm", interpret(size * 1000)); }
