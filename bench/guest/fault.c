/* 4 MiB are mapped, each page touched, and unmapped, `size` times: page faults, and pages that the kernel clears. */
#include "guest.h"

enum { LENGTH = 1 << 22, PAGE = 4096 };

static void run(u32 size) {
  u32 sum = 0;
  while (size--) {
    u8 *memory = allocate(LENGTH);
    for (u32 at = 0; at < LENGTH; at += PAGE) memory[at + size % PAGE]++;
    for (u32 at = 0; at < LENGTH; at += PAGE) sum += memory[at + size % PAGE];
    system_call(SYS_MUNMAP, (u32)memory, LENGTH, 0);
    sum = mix(sum, size);
  }
  report("fault", sum);
}
