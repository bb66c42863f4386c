/* Not measured: writes `size` KiB of lines of words to standard output, for the programs that work on text. */
#include "guest.h"

static const char *const syllables[] = {"ka", "ro", "min", "te", "sul", "va", "qui", "xo", "len", "dar", "ith", "po",
                                        "ne", "gra", "fel", "u"};

static void run(u32 size) {
  static char block[1024];
  u32 seed = 23, filled = 0, words = 0;
  while (size > 0) {
    char word[32];
    u32 length = 0, parts = 1 + next_random(&seed) % 3;
    while (parts--) {
      const char *part = syllables[next_random(&seed) >> 9 & 15];
      u32 more = text_length(part);
      memcpy(word + length, part, more);
      length += more;
    }
    word[length++] = ++words % 9 == 0 ? '\n' : ' ';
    for (u32 index = 0; index < length && size > 0; index++) {
      block[filled++] = word[index];
      if (filled < sizeof block) continue;
      block[sizeof block - 1] = '\n';
      system_call(SYS_WRITE, 1, (u32)block, sizeof block);
      filled = 0;
      size--;
    }
  }
}
