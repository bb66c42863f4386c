/* Loads that each depend on the one before, in no order, over 4 MiB: `size` times a thousand. */
#include "guest.h"

enum { NODES = 1 << 16, STRIDE = 16 };
static u32 memory[NODES * STRIDE];

static void run(u32 size) {
  u32 seed = 13, at = 0, sum = 0;
  for (u32 node = 0; node < NODES; node++) memory[node * STRIDE] = node * STRIDE;
  /* One cycle through all of them (Sattolo). */
  for (u32 node = NODES - 1; node > 0; node--) {
    u32 other = next_random(&seed) % node;
    u32 kept = memory[node * STRIDE];
    memory[node * STRIDE] = memory[other * STRIDE];
    memory[other * STRIDE] = kept;
  }
  while (size--) {
    for (u32 step = 0; step < 1000; step++) at = memory[at];
    sum = mix(sum, at);
  }
  report("chase", sum);
}
