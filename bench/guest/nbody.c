/* Five bodies that attract each other, `size` times a hundred steps: add, multiply, divide, square root. */
#include "guest.h"

enum { BODIES = 5 };
struct body {
  double x, y, z, vx, vy, vz, mass;
};

static struct body bodies[BODIES];

static void step(double time) {
  for (int one = 0; one < BODIES; one++) {
    struct body *a = &bodies[one];
    for (int other = one + 1; other < BODIES; other++) {
      struct body *b = &bodies[other];
      double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
      double square = dx * dx + dy * dy + dz * dz;
      double pull = time / (square * __builtin_sqrt(square));
      a->vx -= dx * b->mass * pull, a->vy -= dy * b->mass * pull, a->vz -= dz * b->mass * pull;
      b->vx += dx * a->mass * pull, b->vy += dy * a->mass * pull, b->vz += dz * a->mass * pull;
    }
  }
  for (int one = 0; one < BODIES; one++) {
    struct body *a = &bodies[one];
    a->x += time * a->vx, a->y += time * a->vy, a->z += time * a->vz;
  }
}

static void run(u32 size) {
  u32 seed = 17, sum = 0;
  for (int one = 0; one < BODIES; one++) {
    double *values = &bodies[one].x;
    for (int index = 0; index < 6; index++)
      values[index] = (double)(int)(next_random(&seed) >> 12) / 65536.0 + (index < 3 ? one * 11 : 0);
    bodies[one].mass = (double)(one * 3 + 1);
  }
  for (u32 count = size * 100; count > 0; count--) step(1.0 / 1024);
  for (int one = 0; one < BODIES; one++) {
    u32 words[2];
    memcpy(words, &bodies[one].x, sizeof words);
    sum = mix(mix(sum, words[0]), words[1]);
  }
  report("nbody", sum);
}
