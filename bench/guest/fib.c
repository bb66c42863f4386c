/* Fibonacci numbers by recursion, the 20th `size` times: CALL, RET, the stack. */
#include "guest.h"

static __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls", "no-inline"))) u32 fib(u32 n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static void run(u32 size) {
  u32 sum = 0;
  while (size--) sum = mix(sum, fib(20));
  report("fib", sum);
}
