#include "eval/compare.h"

#include "base/memory.h"
#include "base/rng.h"
#include "eval/metric/lines.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 2000 };

double pc_mcnemar(int64_t only_a, int64_t only_b)
{
    int64_t n = only_a + only_b, fewer = only_a < only_b ? only_a : only_b;
    double sum = 0;
    for (int64_t k = 0; k <= fewer; k++) {
        sum += exp(lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1) - (double)n * log(2));
    }
    return fmin(1, 2 * sum);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* step: right in B minus right in A, of each question. */
static pc_status bootstrap(pc_comparison *out, const signed char *step, size_t count)
{
    double *mean = NULL;
    pc_rng rng;
    PC_TRY(PC_NEW_ARRAY(mean, ROUNDS, "differences"));
    pc_rng_init(&rng, 0, 0);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t sum = 0;
        for (size_t i = 0; i < count; i++) {
            sum += step[pc_rng_below(&rng, count)];
        }
        mean[round] = (double)sum / (double)count;
    }
    qsort(mean, ROUNDS, sizeof *mean, by_value);
    out->low = mean[ROUNDS * 25 / 1000];
    out->high = mean[ROUNDS * 975 / 1000 - 1];
    pc_free(mean);
    return PC_OK;
}

static pc_status take_pair(pc_comparison *out, signed char *step, const pc_json_lines *a, const pc_json_lines *b, size_t i)
{
    const pc_json *x = a->line[i].json, *y = b->line[i].json;
    const pc_json *right_a = pc_json_get(x, "right"), *right_b = pc_json_get(y, "right");
    const char *id = pc_json_get_text(x, "id", ""), *other = pc_json_get_text(y, "id", "");
    if (strcmp(id, other) != 0) {
        return pc_fail(PC_ERR_DATA, "%s:%" PRId64 ": expected id '%.60s', found '%.60s'", b->path, b->line[i].line, id, other);
    }
    if (!pc_json_is_bool(right_a) || !pc_json_is_bool(right_b)) {
        return pc_fail(PC_ERR_DATA, "%s:%" PRId64 ": right: expected true or false", pc_json_is_bool(right_a) ? b->path : a->path,
                       a->line[i].line);
    }
    bool in_a = pc_json_bool(right_a, false), in_b = pc_json_bool(right_b, false);
    out->right_a += in_a;
    out->right_b += in_b;
    out->only_a += in_a && !in_b;
    out->only_b += in_b && !in_a;
    *step = (signed char)(in_b - in_a);
    return PC_OK;
}

pc_status pc_compare_samples(pc_comparison *out, const char *path_a, const char *path_b)
{
    pc_json_lines *a = NULL, *b = NULL;
    signed char *step = NULL;
    pc_status status;
    *out = (pc_comparison){0};
    PC_GO(pc_json_lines_read(&a, path_a, false));
    PC_GO(pc_json_lines_read(&b, path_b, false));
    if (a->count != b->count || !a->count) {
        status = pc_fail(PC_ERR_DATA, "%s: %zu answers, %s has %zu", path_b, b->count, path_a, a->count);
        goto done;
    }
    PC_GO(PC_NEW_ARRAY(step, a->count, "pairs of answers"));
    for (size_t i = 0; i < a->count; i++) {
        PC_GO(take_pair(out, &step[i], a, b, i));
    }
    out->asked = (int64_t)a->count;
    out->difference = (double)(out->right_b - out->right_a) / (double)a->count;
    out->p = pc_mcnemar(out->only_a, out->only_b);
    PC_GO(bootstrap(out, step, a->count));
done:
    pc_json_lines_free(a);
    pc_json_lines_free(b);
    pc_free(step);
    return status;
}
