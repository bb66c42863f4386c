/* 64-bit arithmetic on a 32-bit processor, `size` times a thousand: carries, wide products, shifts, long division. */
#include "guest.h"

/* What the compiler would take from its own library, by two divisions of 64 by 32 bits. */
static inline u64 divide(u64 dividend, u32 divisor, u32 *remainder) {
  u32 high = (u32)(dividend >> 32), low = (u32)dividend, quotient_high = high / divisor, quotient_low, rest;
  asm("divl %4" : "=a"(quotient_low), "=d"(rest) : "0"(low), "1"(high % divisor), "r"(divisor));
  *remainder = rest;
  return (u64)quotient_high << 32 | quotient_low;
}

static void run(u32 size) {
  u64 value = 88172645463325252ull, sum = 1;
  while (size--)
    for (u32 step = 1; step <= 1000; step++) {
      u32 rest;
      value ^= value << 13;
      value ^= value >> 7;
      value ^= value << 17;
      sum += divide(value, step | 0x10001, &rest);
      sum = (sum << 11 | sum >> 53) - rest;
      if (sum > value) sum *= 6364136223846793005ull;
    }
  report("u64", (u32)(sum >> 32) ^ (u32)sum);
}
