#include "eval/pope.h"

#include "base/memory.h"

#include <stdint.h>
#include <string.h>

struct pc_pope {
    int classes;
    int32_t *frequency, *together; /* [C], [C,C] pictures of the pool */
    bool *taken;                   /* [C] */
};

pc_status pc_pope_new(pc_pope **out, int classes)
{
    pc_pope *self = NULL;
    size_t count = (size_t)classes, square;
    pc_status status;
    *out = NULL;
    PC_GO(pc_mul_size(count, count, &square) ? PC_OK : pc_fail(PC_ERR_DATA, "%d kinds of objects are too many", classes));
    PC_GO(PC_NEW(self, "counts of objects"));
    self->classes = classes;
    PC_GO(PC_NEW_ARRAY(self->frequency, count, "counts of objects"));
    PC_GO(PC_NEW_ARRAY(self->together, square, "counts of objects"));
    PC_GO(PC_NEW_ARRAY(self->taken, count, "counts of objects"));
    *out = self;
    return PC_OK;
done:
    pc_pope_free(self);
    return status;
}

void pc_pope_free(pc_pope *self)
{
    if (self) {
        pc_free(self->frequency);
        pc_free(self->together);
        pc_free(self->taken);
        pc_free(self);
    }
}

void pc_pope_count(pc_pope *self, const int *objects, int count)
{
    for (int a = 0; a < count; a++) {
        self->frequency[objects[a]]++;
        for (int b = 0; b < count; b++) {
            self->together[objects[a] * self->classes + objects[b]] += a != b;
        }
    }
}

static int most(const pc_pope *self, const int32_t *count)
{
    int best = -1;
    for (int i = 0; i < self->classes; i++) {
        if (!self->taken[i] && (best < 0 || count[i] > count[best])) {
            best = i;
        }
    }
    return best;
}

static int any(const pc_pope *self, pc_rng *rng)
{
    uint64_t left = 0;
    for (int i = 0; i < self->classes; i++) {
        left += !self->taken[i];
    }
    uint64_t chosen = pc_rng_below(rng, left);
    for (int i = 0; i < self->classes; i++) {
        if (!self->taken[i] && chosen-- == 0) {
            return i;
        }
    }
    return 0;
}

void pc_pope_choose(pc_pope *self, int out[PC_POPE_QUESTIONS], const int *objects, const bool *present, pc_rng *rng)
{
    for (int split = 0; split < PC_POPE_SPLITS; split++) {
        memcpy(self->taken, present, (size_t)self->classes * sizeof *present);
        for (int i = 0; i < PC_POPE_ASKED; i++) {
            int absent = split == 0   ? any(self, rng)
                         : split == 1 ? most(self, self->frequency)
                                      : most(self, self->together + objects[i] * self->classes);
            self->taken[absent] = true;
            *out++ = objects[i];
            *out++ = absent;
        }
    }
}

const char *pc_pope_split(int question)
{
    static const char *const names[PC_POPE_SPLITS] = {"random", "popular", "adversarial"};
    return names[question / (PC_POPE_ASKED * 2)];
}
