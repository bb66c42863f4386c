/* CRC-32 by a table over 64 KiB, `size` times: byte loads, shifts, a dependent chain. */
#include "guest.h"

enum { LENGTH = 1 << 16 };
static u8 data[LENGTH];
static u32 table[256];

static void run(u32 size) {
  u32 state = 1;
  for (u32 index = 0; index < LENGTH; index++) data[index] = (u8)(next_random(&state) >> 8);
  for (u32 byte = 0; byte < 256; byte++) {
    u32 value = byte;
    for (int bit = 0; bit < 8; bit++) value = value & 1 ? value >> 1 ^ 0xedb88320 : value >> 1;
    table[byte] = value;
  }
  u32 crc = 0xffffffff;
  while (size--)
    for (u32 index = 0; index < LENGTH; index++) crc = table[(crc ^ data[index]) & 255] ^ crc >> 8;
  report("crc32", ~crc);
}
