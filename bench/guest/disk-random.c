/* Reads 4 KiB at a time from random places in the first 64 MiB of the disk, past the kernel's cache, `size` times. */
#include "guest.h"

enum { SYS_OPEN = 5, SYS_LSEEK = 19, O_DIRECT = 040000 };
enum { BLOCK = 4096, BLOCKS = 64 * 1024 * 1024 / BLOCK };
static u32 words[BLOCK / 4] __attribute__((aligned(BLOCK)));

static void run(u32 size) {
  u32 sum = 0, state = 1;
  int disk = system_call(SYS_OPEN, (u32) "/dev/sda", O_DIRECT, 0);
  if (disk < 0) quit(5);
  while (size--) {
    u32 block = next_random(&state) % BLOCKS;
    if (system_call(SYS_LSEEK, (u32)disk, block * BLOCK, 0) < 0) quit(6);
    if (system_call(SYS_READ, (u32)disk, (u32)words, BLOCK) != BLOCK) quit(7);
    for (u32 at = 0; at < BLOCK / 4; at += 64) sum = mix(sum, words[at]);
  }
  report("disk-random", sum);
}
