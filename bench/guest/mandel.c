/* A part of the Mandelbrot set, 64 points wide, `size` lines: multiply, add, compare, convert. */
#include "guest.h"

static void run(u32 size) {
  u32 sum = 0;
  for (u32 line = 0; line < size; line++)
    for (int column = 0; column < 64; column++) {
      double cx = -2.0 + column * (2.6 / 64), cy = -1.2 + (int)(line % 97) * (2.4 / 97);
      double x = 0, y = 0;
      u32 turns = 0;
      for (; turns < 100; turns++) {
        double xx = x * x, yy = y * y;
        if (xx + yy > 4) break;
        y = 2 * x * y + cy;
        x = xx - yy + cx;
      }
      sum = mix(sum, turns + (u32)(int)(x * 256));
    }
  report("mandel", sum);
}
