/* Quicksort of 16 Ki numbers, `size` times: compares and branches that nothing foresees, recursion. */
#include "guest.h"

enum { COUNT = 1 << 14, SMALL = 12 };
static u32 numbers[COUNT];

static void sort(u32 *first, u32 *last) {
  while (last - first > SMALL) {
    u32 pivot = first[(last - first) / 2];
    u32 *low = first, *high = last;
    while (low <= high) {
      while (*low < pivot) low++;
      while (*high > pivot) high--;
      if (low > high) break;
      u32 kept = *low;
      *low++ = *high;
      *high-- = kept;
    }
    sort(first, high);
    first = low;
  }
  for (u32 *at = first + 1; at <= last; at++) {
    u32 moved = *at, *place = at;
    for (; place > first && place[-1] > moved; place--) *place = place[-1];
    *place = moved;
  }
}

static void run(u32 size) {
  u32 seed = 3, sum = 0;
  while (size--) {
    for (u32 index = 0; index < COUNT; index++) numbers[index] = next_random(&seed);
    sort(numbers, numbers + COUNT - 1);
    for (u32 index = 0; index < COUNT; index += 64) sum = mix(sum, numbers[index]);
    for (u32 index = 1; index < COUNT; index++)
      if (numbers[index - 1] > numbers[index]) quit(4);
  }
  report("sort", sum);
}
