/* Copies and fills by string instructions, as C libraries do: 256 KiB in pieces of several sizes, `size` times. */
#include "guest.h"

enum { LENGTH = 1 << 18 };
static u8 source[LENGTH + 64], target[LENGTH + 64];

static inline void copy(u8 *to, const u8 *from, u32 length) {
  u32 words = length >> 2, bytes = length & 3;
  asm volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

static inline void fill(u8 *to, u32 value, u32 words) {
  asm volatile("rep stosl" : "+D"(to), "+c"(words) : "a"(value) : "memory");
}

static void run(u32 size) {
  static const u32 pieces[] = {31, 200, 4096, 65536};
  u32 seed = 5, sum = 0;
  for (u32 index = 0; index < LENGTH; index++) source[index] = (u8)(next_random(&seed) >> 8);
  while (size--) {
    for (u32 kind = 0; kind < 4; kind++) {
      u32 piece = pieces[kind], shift = size & 3;
      for (u32 at = 0; at + piece <= LENGTH; at += piece) copy(target + at + shift, source + at, piece);
      sum = mix(sum, target[(size * 4099 + kind) % LENGTH]);
    }
    fill(target, size, LENGTH / 4);
    source[size % LENGTH]++;
  }
  report("memcpy", sum);
}
