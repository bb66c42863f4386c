/*
 * The work of SHA-256 (FIPS 180-4) on 16 KiB, `size` times: rotations, additions, many live values. Its constants are
 * random numbers here, which changes the digest and nothing else.
 */
#include "guest.h"

enum { LENGTH = 1 << 14 };
static u8 data[LENGTH];
static u32 constants[64];

static inline u32 rotate(u32 value, int count) { return value >> count | value << (32 - count); }

static void compress(u32 state[8], const u8 *block) {
  u32 w[64];
  for (int t = 0; t < 16; t++)
    w[t] = (u32)block[4 * t] << 24 | (u32)block[4 * t + 1] << 16 | (u32)block[4 * t + 2] << 8 | block[4 * t + 3];
  for (int t = 16; t < 64; t++) {
    u32 first = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
    u32 second = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = w[t - 16] + first + w[t - 7] + second;
  }
  u32 a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
  for (int t = 0; t < 64; t++) {
    u32 one = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + constants[t] + w[t];
    u32 two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static void run(u32 size) {
  u32 seed = 7;
  u32 state[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (int t = 0; t < 64; t++) constants[t] = next_random(&seed);
  for (u32 index = 0; index < LENGTH; index++) data[index] = (u8)(next_random(&seed) >> 8);
  while (size--)
    for (u32 at = 0; at < LENGTH; at += 64) compress(state, data + at);
  u32 sum = 0;
  for (int index = 0; index < 8; index++) sum = mix(sum, state[index]);
  report("sha256", sum);
}
