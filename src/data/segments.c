/* Segments by Ratcliff and Obershelp's "gestalt" matching: the longest common run, then the same left and right of it.
 *
 * Source: RLHF-V, Yu et al. 2024 (arXiv:2312.00849), section 3.2; its released code takes Python's difflib, runs shorter than
 * three tokens thrown away. Of equally long runs the one that starts first in x, then in y, is taken. difflib's shortcut for
 * frequent elements of sequences of 200 and more is left out.
 */
#include "data/segments.h"

#include "base/memory.h"

enum { SHORTEST = 3 };

typedef struct span {
    size_t x, x_end, y, y_end;
} span;

typedef struct match {
    size_t x, y, size;
} match;

typedef struct matcher {
    const int32_t *x, *y;
    size_t *row, *next; /* [y + 1]: length of the common run that ends here, for one token of x */
    match *matches;     /* [count], in order */
    size_t count, capacity;
    span *stack;        /* spans still to match, the first on top */
    size_t depth, stack_capacity;
} matcher;

static match longest(matcher *m, const span *s)
{
    match best = {s->x, s->y, 0};
    for (size_t j = s->y; j <= s->y_end; j++) {
        m->row[j] = 0;
    }
    for (size_t i = s->x; i < s->x_end; i++) {
        m->next[s->y] = 0;
        for (size_t j = s->y; j < s->y_end; j++) {
            size_t run = m->x[i] == m->y[j] ? m->row[j] + 1 : 0;
            m->next[j + 1] = run;
            if (run > best.size) {
                best = (match){i + 1 - run, j + 1 - run, run};
            }
        }
        size_t *swap = m->row;
        m->row = m->next;
        m->next = swap;
    }
    return best;
}

static pc_status push(matcher *m, span s)
{
    PC_TRY(pc_grow(&m->stack, &m->stack_capacity, m->depth + 1, sizeof *m->stack, "segments"));
    m->stack[m->depth++] = s;
    return PC_OK;
}

static pc_status keep(matcher *m, const match *found)
{
    match *last = m->count ? &m->matches[m->count - 1] : NULL;
    if (last && last->x + last->size == found->x && last->y + last->size == found->y) {
        last->size += found->size;
        return PC_OK;
    }
    PC_TRY(pc_grow(&m->matches, &m->capacity, m->count + 1, sizeof *m->matches, "segments"));
    m->matches[m->count++] = *found;
    return PC_OK;
}

/* In order: a span is split into its left part, its match (a span whose two sides are equal is found again as one), and
 * its right part. */
static pc_status find_matches(matcher *m)
{
    while (m->depth > 0) {
        span s = m->stack[--m->depth];
        match found = longest(m, &s);
        if (found.size == 0) {
            continue;
        }
        if (found.x == s.x && found.y == s.y) { /* nothing on its left */
            PC_TRY(keep(m, &found));
            PC_TRY(push(m, (span){found.x + found.size, s.x_end, found.y + found.size, s.y_end}));
            continue;
        }
        PC_TRY(push(m, (span){found.x + found.size, s.x_end, found.y + found.size, s.y_end}));
        PC_TRY(push(m, (span){found.x, found.x + found.size, found.y, found.y + found.size}));
        PC_TRY(push(m, (span){s.x, found.x, s.y, found.y}));
    }
    return PC_OK;
}

static void weigh(float *weights, size_t first, size_t end, float weight)
{
    for (size_t i = first; i < end; i++) {
        weights[i] = weight;
    }
}

static void weigh_between(const matcher *m, size_t x_count, size_t y_count, float weight, float *x_weights,
                          float *y_weights)
{
    size_t x = 0, y = 0;
    for (size_t i = 0; i <= m->count; i++) {
        bool last = i == m->count;
        match to = last ? (match){x_count, y_count, SHORTEST} : m->matches[i];
        if (to.size < SHORTEST) {
            continue;
        }
        bool differs = to.x > x && to.y > y;
        weigh(x_weights, x, to.x, differs ? weight : 1);
        weigh(y_weights, y, to.y, differs ? weight : 1);
        x = last ? x_count : to.x + to.size;
        y = last ? y_count : to.y + to.size;
        weigh(x_weights, to.x, x, 1);
        weigh(y_weights, to.y, y, 1);
    }
}

pc_status pc_segments_weigh(const int32_t *x, size_t x_count, const int32_t *y, size_t y_count, float weight,
                            float *x_weights, float *y_weights)
{
    matcher m = {.x = x, .y = y};
    pc_status status;
    PC_GO(PC_NEW_ARRAY(m.row, y_count + 1, "segments"));
    PC_GO(PC_NEW_ARRAY(m.next, y_count + 1, "segments"));
    PC_GO(push(&m, (span){0, x_count, 0, y_count}));
    PC_GO(find_matches(&m));
    weigh_between(&m, x_count, y_count, weight, x_weights, y_weights);
done:
    pc_free(m.row);
    pc_free(m.next);
    pc_free(m.matches);
    pc_free(m.stack);
    return status;
}
