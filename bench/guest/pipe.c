/* A number goes to another process and comes back by two pipes, `size` times: reads, writes, switches of process. */
#include "guest.h"

static void run(u32 size) {
  int there[2], back[2];
  u32 value = 1;
  if (system_call(SYS_PIPE, (u32)there, 0, 0) < 0 || system_call(SYS_PIPE, (u32)back, 0, 0) < 0) quit(5);
  int child = system_call(SYS_FORK, 0, 0, 0);
  if (child < 0) quit(5);
  for (u32 count = size; count > 0; count--) {
    if (child == 0) {
      system_call(SYS_READ, (u32)there[0], (u32)&value, sizeof value);
      value = mix(value, count);
      system_call(SYS_WRITE, (u32)back[1], (u32)&value, sizeof value);
    } else {
      system_call(SYS_WRITE, (u32)there[1], (u32)&value, sizeof value);
      system_call(SYS_READ, (u32)back[0], (u32)&value, sizeof value);
    }
  }
  if (child == 0) quit(0);
  system_call(SYS_WAITPID, (u32)child, 0, 0);
  report("pipe", value);
}
