/* fork, execve of this program, exit, waitpid: `size` times. */
#include "guest.h"

static void run(u32 size) {
  if (size == 0) quit(7);
  char *arguments[] = {guest_arguments[0], "0", 0}, *environment[] = {0};
  u32 sum = 0;
  while (size--) {
    int status = 0, child = system_call(SYS_FORK, 0, 0, 0);
    if (child < 0) quit(5);
    if (child == 0) {
      system_call(SYS_EXECVE, (u32)arguments[0], (u32)arguments, (u32)environment);
      quit(6);
    }
    system_call(SYS_WAITPID, (u32)child, (u32)&status, 0);
    sum = mix(sum, (u32)status);
  }
  report("forkexec", sum);
}
