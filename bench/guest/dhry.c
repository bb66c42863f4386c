/*
 * What programs of the everyday kind do, in the spirit of Dhrystone: records behind pointers, short strings copied and
 * compared, calls, switches. `size` times a thousand.
 */
#include "guest.h"

enum { PEOPLE = 64, NAME = 24 };
enum kind { CHILD, ADULT, ELDER, GUEST };

struct person {
  struct person *next;
  enum kind kind;
  u32 age;
  short rank;
  char name[NAME];
};

static struct person people[PEOPLE];
static u32 tally[4];

static __attribute__((noinline)) void copy_text(char *to, const char *from) {
  while ((*to++ = *from++)) {
  }
}

static __attribute__((noinline)) int compare_text(const char *left, const char *right) {
  for (; *left && *left == *right; left++, right++) {
  }
  return *left - *right;
}

static __attribute__((noinline)) enum kind kind_of(u32 age) {
  switch (age >> 4) {
    case 0: return CHILD;
    case 1:
    case 2:
    case 3: return ADULT;
    case 4:
    case 5: return ELDER;
    default: return GUEST;
  }
}

static __attribute__((noinline)) void celebrate(struct person *person) {
  person->age = (person->age + 1) % 100;
  person->kind = kind_of(person->age);
  person->rank = (short)(person->rank * 3 + (int)person->kind);
  tally[person->kind]++;
}

static __attribute__((noinline)) u32 visit(struct person *host, u32 seed) {
  struct person moved = *host;
  char name[NAME];
  copy_text(name, host->next->name);
  int order = compare_text(name, host->name);
  name[seed & 7] = (char)('a' + (seed >> 8) % 26);
  if (order > 0) copy_text(moved.name, name);
  *host = moved;
  celebrate(host);
  return (u32)order + (u32)host->rank;
}

static void run(u32 size) {
  u32 seed = 11, sum = 0;
  for (int index = 0; index < PEOPLE; index++) {
    people[index].next = &people[(index * 7 + 1) % PEOPLE];
    people[index].age = (u32)index;
    copy_text(people[index].name, "somebody of the house");
    people[index].name[index % 8] = (char)('a' + index % 26);
  }
  while (size--) {
    struct person *person = people;
    for (int step = 0; step < 1000; step++) {
      sum = mix(sum, visit(person, next_random(&seed)));
      person = person->next + (seed >> 30) < people + PEOPLE ? person->next + (seed >> 30) : people;
    }
  }
  for (int kind = 0; kind < 4; kind++) sum = mix(sum, tally[kind]);
  report("dhry", sum);
}
