/* The sieve of Eratosthenes over 128 KiB of flags, `size` times: byte stores at strides. */
#include "guest.h"

enum { LIMIT = 1 << 17 };
static u8 composite[LIMIT];

static u32 sieve(void) {
  u32 sum = 0;
  for (u32 number = 2; number < LIMIT; number++) composite[number] = 0;
  for (u32 number = 2; number < LIMIT; number++) {
    if (composite[number]) continue;
    sum = mix(sum, number);
    for (u32 multiple = 2 * number; multiple < LIMIT; multiple += number) composite[multiple] = 1;
  }
  return sum;
}

static void run(u32 size) {
  u32 sum = 0;
  while (size--) sum = mix(sum, sieve());
  report("sieve", sum);
}
