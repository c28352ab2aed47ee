/* Replies of a judge: what they say of an answer, read and summed up. The judge itself is a model that answers a task (recipes/tasks/judge_*.yaml);
 * its replies are the predictions. One that can't be read is a failure: counted in "failed", in no mean.
 *
 *   llava_bench  the first line is two numbers between single blanks (commas count as blanks): assistant 1, which is the reference, and
 *                assistant 2. relative = 100 mean(2) / mean(1)   (Liu et al. 2023; LLaVA, summarize_gpt_review.py)
 *   mm_vet       the reply begins with a number from 0 to 1; score = 100 mean   (Yu et al. 2024)
 *   mmhal        exactly one of "rating: 0" ... "rating: 6", in any case; hallucinated when below 3   (Sun et al. 2023; where the original
 *                takes an unreadable rating for 0, it is a failure here)
 *   judged       'pred': yes or no and 'score': a number from 0 to 5   (Maaz et al. 2023)
 *
 * A prediction may also be the two numbers themselves, [8, 7.5]. Means also of groups: a reference's "kind", "category", "question_type" (a text) and "capability" (a text or several).
 */
#include "base/memory.h"
#include "eval/metric/metric.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROUPS = 64, VALUES = 2 };

/* Sums of what was read. */
typedef struct sums {
    char name[64];
    double n, value[VALUES];
} sums;

typedef struct judging {
    bool (*read)(double value[VALUES], const char *reply);
    pc_status (*tell)(pc_json *into, const sums *s);
} judging;

/* --- reading --- */

static bool whole_number(const char *text, size_t length, double *out)
{
    char copy[32], *end;
    if (!length || length >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, length);
    copy[length] = 0;
    *out = strtod(copy, &end);
    return !*end && isfinite(*out) && !isspace((unsigned char)*copy);
}

static bool read_pair(double value[VALUES], const char *reply)
{
    size_t line = strcspn(reply, "\n"), first = strcspn(reply, ", ");
    if (first >= line) {
        return false;
    }
    size_t second = strcspn(reply + first + 1, ", \n");
    size_t end = first + 1 + second;
    return end == line && whole_number(reply, first, &value[0]) && whole_number(reply + first + 1, second, &value[1]);
}

static bool read_share(double value[VALUES], const char *reply)
{
    char *end;
    value[0] = strtod(reply, &end);
    return end != reply && value[0] >= 0 && value[0] <= 1 && !(isalnum((unsigned char)*end) || *end == '%');
}

/* Where `part` stands in text, in any case; NULL when nowhere. */
static const char *find(const char *text, const char *part)
{
    return strcasestr(text, part);
}

static bool read_rating(double value[VALUES], const char *reply)
{
    int found = 0;
    for (int rating = 0; rating <= 6; rating++) {
        char text[16];
        snprintf(text, sizeof text, "rating: %d", rating);
        if (find(reply, text)) {
            found++;
            value[0] = rating;
        }
    }
    value[1] = value[0] < 3;
    return found == 1;
}

/* Numbers that somebody has read already. */
static bool take_numbers(double value[VALUES], const pc_json *prediction)
{
    for (size_t i = 0; i < VALUES && i < pc_json_length(prediction); i++) {
        value[i] = pc_json_number(pc_json_at(prediction, i), NAN);
    }
    return pc_json_length(prediction) == VALUES && isfinite(value[0]) && isfinite(value[1]);
}

/* What stands behind 'key': without quotes and blanks; NULL when it isn't there. */
static const char *behind(const char *reply, const char *key)
{
    const char *at = find(reply, key);
    return at ? at + strlen(key) + strspn(at + strlen(key), "'\": ") : NULL;
}

static bool read_verdict(double value[VALUES], const char *reply)
{
    const char *pred = behind(reply, "pred"), *score = behind(reply, "score");
    char *end;
    if (!pred || !score) {
        return false;
    }
    bool yes = strncasecmp(pred, "yes", 3) == 0;
    value[0] = yes;
    value[1] = strtod(score, &end);
    return (yes || strncasecmp(pred, "no", 2) == 0) && end != score && value[1] >= 0 && value[1] <= 5;
}

/* --- telling --- */

static pc_status tell_pair(pc_json *into, const sums *s)
{
    PC_TRY(pc_metric_set(into, "reference", s->value[0] / s->n));
    PC_TRY(pc_metric_set(into, "model", s->value[1] / s->n));
    return pc_metric_set(into, "relative", s->value[0] > 0 ? 100 * s->value[1] / s->value[0] : 0);
}

static pc_status tell_share(pc_json *into, const sums *s)
{
    return pc_metric_set(into, "score", 100 * s->value[0] / s->n);
}

static pc_status tell_rating(pc_json *into, const sums *s)
{
    PC_TRY(pc_metric_set(into, "rating", s->value[0] / s->n));
    return pc_metric_set(into, "hallucinated", 100 * s->value[1] / s->n);
}

static pc_status tell_verdict(pc_json *into, const sums *s)
{
    PC_TRY(pc_metric_set(into, "accuracy", 100 * s->value[0] / s->n));
    return pc_metric_set(into, "score", s->value[1] / s->n);
}

/* --- groups --- */

typedef struct groups {
    sums all, group[GROUPS];
    int count;
} groups;

static void add(sums *s, const double value[VALUES])
{
    s->n++;
    for (int i = 0; i < VALUES; i++) {
        s->value[i] += value[i];
    }
}

static pc_status add_to(groups *g, const char *name, const double value[VALUES], const char *where)
{
    int i = 0;
    for (; i < g->count && strncmp(g->group[i].name, name, sizeof g->group[i].name - 1) != 0; i++) {
    }
    if (i == GROUPS) {
        return pc_fail(PC_ERR_DATA, "%s: more than %d groups", where, GROUPS);
    }
    if (i == g->count) {
        snprintf(g->group[g->count++].name, sizeof g->group[i].name, "%s", name);
    }
    add(&g->group[i], value);
    return PC_OK;
}

static pc_status add_item(groups *g, const pc_metric_item *item, const double value[VALUES])
{
    static const char *const keys[] = {"category", "question_type", "capability", "kind"};
    add(&g->all, value);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const pc_json *node = pc_json_get(item->reference, keys[k]);
        const char *name = pc_json_text(node);
        if (name && *name) {
            return add_to(g, name, value, item->where);
        }
        for (size_t i = 0; i < pc_json_length(node); i++) {
            name = pc_json_text(pc_json_at(node, i));
            PC_TRY(name ? add_to(g, name, value, item->where) : PC_OK);
        }
        if (pc_json_length(node)) {
            return PC_OK;
        }
    }
    return PC_OK;
}

static pc_status tell_all(pc_json *corpus, const groups *g, const judging *how)
{
    PC_TRY(g->all.n > 0 ? how->tell(corpus, &g->all) : PC_OK);
    for (int i = 0; i < g->count; i++) {
        pc_json *one = pc_json_new_object();
        PC_TRY(pc_json_set(corpus, g->group[i].name, one));
        PC_TRY(how->tell(one, &g->group[i]));
        PC_TRY(pc_json_set(one, "n", pc_json_new_integer((int64_t)g->group[i].n)));
    }
    return PC_OK;
}

static pc_status sum_up(pc_json *corpus, pc_json *details, const pc_metric_items *items, const judging *how)
{
    groups *g = NULL;
    int64_t failed = 0;
    pc_status status;
    PC_GO(PC_NEW(g, "sums of judgements"));
    for (size_t i = 0; i < items->count; i++) {
        const pc_metric_item *item = &items->item[i];
        double value[VALUES] = {0};
        if (take_numbers(value, item->prediction) || how->read(value, item->text)) {
            PC_GO(add_item(g, item, value));
            PC_GO(pc_metric_set(pc_json_at(details, i), "value", value[0]));
            PC_GO(how->read == read_share ? PC_OK : pc_metric_set(pc_json_at(details, i), "second", value[1]));
        } else {
            failed++;
            PC_GO(pc_json_set(pc_json_at(details, i), "failed", pc_json_new_bool(true)));
        }
    }
    PC_GO(tell_all(corpus, g, how));
    PC_GO(pc_json_set(corpus, "failed", pc_json_new_integer(failed)));
done:
    pc_free(g);
    return status;
}

#define JUDGED(metric, reader, teller, text)                                                                              \
    static pc_status metric##_corpus(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values) \
    {                                                                                                                     \
        (void)values;                                                                                                     \
        return sum_up(corpus, details, items, &(judging){reader, teller});                                                \
    }                                                                                                                     \
    const pc_metric pc_metric_##metric = {.name = #metric, .help = text, .version = #metric "-1", .scale = 1,             \
                                          .corpus = metric##_corpus};

JUDGED(llava_bench, read_pair, tell_pair, "a judge's replies: LLaVA-Bench, two scores, relative")
JUDGED(mm_vet, read_share, tell_share, "a judge's replies: MM-Vet, 0 to 1, by capability")
JUDGED(mmhal, read_rating, tell_rating, "a judge's replies: MMHal-Bench, rating 0 to 6, share hallucinated")
JUDGED(judged, read_verdict, tell_verdict, "a judge's replies: yes or no and a score from 0 to 5")
