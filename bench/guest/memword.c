/* Copies and sums by words over 1 MiB, `size` times: loads and stores in order. */
#include "guest.h"

enum { WORDS = 1 << 18 };
static u32 source[WORDS], target[WORDS];

static void run(u32 size) {
  u32 seed = 9, sum = 0;
  for (u32 index = 0; index < WORDS; index++) source[index] = next_random(&seed);
  while (size--) {
    for (u32 index = 0; index < WORDS; index++) target[index] = source[index] + size;
    for (u32 index = 0; index < WORDS; index++) sum += target[index];
    source[size % WORDS] = sum;
  }
  report("memword", sum);
}
