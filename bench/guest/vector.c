/* Four floats at a time (SSE), over 16 KiB, `size` times: load, multiply, add, compare, shuffle. */
#include "guest.h"

typedef float lanes __attribute__((vector_size(16)));
typedef int masks __attribute__((vector_size(16)));

enum { COUNT = 1 << 10 };
static lanes left[COUNT], right[COUNT];

static void run(u32 size) {
  u32 seed = 19, sum = 0;
  for (u32 index = 0; index < COUNT * 4; index++) {
    ((float *)left)[index] = (float)(int)(next_random(&seed) >> 20) / 64;
    ((float *)right)[index] = (float)(int)(next_random(&seed) >> 20) / 128;
  }
  while (size--) {
    lanes total = {0, 0, 0, 0};
    for (u32 index = 0; index < COUNT; index++) {
      lanes value = left[index] * right[index] + total;
      masks large = value > (lanes){1e6f, 1e6f, 1e6f, 1e6f};
      total = (lanes)((masks)value & ~large) + __builtin_shuffle(right[index], (masks){1, 0, 3, 2});
      left[index] = left[index] * 0.5f + 1.0f;
    }
    u32 words[4];
    memcpy(words, &total, sizeof words);
    for (int lane = 0; lane < 4; lane++) sum = mix(sum, words[lane]);
  }
  report("vector", sum);
}
