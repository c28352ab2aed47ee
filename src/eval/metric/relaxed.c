/* Relaxed accuracy (ChartQA, Masry et al. 2022): a number within 5 % of the true one, else equal in lower case. "12%" = 0.12. */
#include "base/str.h"
#include "eval/metric/metric.h"
#include "prompt/match.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double TOLERANCE = 0.05;

static bool number(double *out, const char *text)
{
    char *end;
    size_t length = strlen(text);
    *out = strtod(text, &end);
    if (end == text || !isfinite(*out)) {
        return false;
    }
    if (end == text + length - 1 && *end == '%') {
        *out /= 100;
        return true;
    }
    return !*end;
}

static pc_status relaxed(double *value, pc_json *detail, const pc_metric_item *item)
{
    bool right = false;
    (void)detail;
    for (size_t i = 0; !right && i < pc_metric_reference_count(item); i++) {
        const char *truth;
        double found, wanted;
        PC_TRY(pc_metric_reference(&truth, item, i));
        if (number(&found, item->text) && number(&wanted, truth) && wanted != 0) {
            right = fabs(found - wanted) / fabs(wanted) <= TOLERANCE;
        } else {
            PC_TRY(pc_match_exact(item->text, truth, &right));
        }
    }
    *value = right;
    return PC_OK;
}

static const char *const groups[] = {"kind", "type", "split", NULL};

const pc_metric pc_metric_relaxed = {
    .name = "relaxed", .help = "a number within 5 %, or equal (ChartQA)", .version = "relaxed-1", .scale = 100,
    .groups = groups, .item = relaxed};
