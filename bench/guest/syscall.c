/* System calls that do next to nothing, `size` times a thousand: in turn by the kernel's own entry and by INT 80h. */
#include "guest.h"

static void run(u32 size) {
  u32 wrong = 0, parent = (u32)interrupt_call(SYS_GETPPID, 0, 0, 0);
  for (u32 count = size * 500; count > 0; count--) {
    wrong += (u32)system_call(SYS_GETPPID, 0, 0, 0) != parent;
    wrong += (u32)interrupt_call(SYS_GETPPID, 0, 0, 0) != parent;
  }
  report("syscall", mix(size, wrong));
}
