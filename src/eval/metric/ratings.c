/* Ratings from votes (Chiang et al. 2024; lm-sys/FastChat, rating_systems.py). The prediction is the vote: "a", "b" or "tie"; the
 * reference line names the two models, "a" and "b". Votes count in the order of the references.
 *
 *   Elo: r_a += K (s - 1 / (1 + 10^((r_b - r_a) / 400))), K = 4, from 1000; s = 1, 0, 1/2
 *   Bradley-Terry: the strengths g that make the votes most likely, P(a beats b) = g_a / (g_a + g_b), a tie being half a
 *   victory for each; rating = 400 log10 g + 1000, mean 1000. Found by Hunter's (2004) iteration
 *   g_i <- wins_i / sum_j n_ij / (g_i + g_j); 95 % intervals from 200 resamplings of the votes.
 */
#include "base/memory.h"
#include "base/rng.h"
#include "eval/metric/metric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double K = 4, SCALE = 400, START = 1000;
enum { ROUNDS = 200, ITERATIONS = 2000 };

typedef struct vote {
    size_t a, b;  /* models */
    double score; /* of a: 1, 0.5, 0 */
} vote;

typedef struct votes {
    vote *vote;
    size_t count;
    const char **model; /* in order of appearance */
    size_t models, capacity;
} votes;

static pc_status find_model(size_t *out, votes *v, const pc_metric_item *item, const char *key)
{
    const char *name;
    PC_TRY(pc_json_need_text(&name, item->reference, key, item->where));
    for (*out = 0; *out < v->models; ++*out) {
        if (strcmp(v->model[*out], name) == 0) {
            return PC_OK;
        }
    }
    PC_TRY(pc_grow(&v->model, &v->capacity, v->models + 1, sizeof *v->model, "models"));
    v->model[v->models++] = name;
    return PC_OK;
}

static pc_status read_votes(votes *out, const pc_metric_items *items)
{
    PC_TRY(PC_NEW_ARRAY(out->vote, items->count, "votes"));
    for (size_t i = 0; i < items->count; i++) {
        const pc_metric_item *item = &items->item[i];
        vote *v = &out->vote[out->count++];
        PC_TRY(find_model(&v->a, out, item, "a"));
        PC_TRY(find_model(&v->b, out, item, "b"));
        bool a = strcmp(item->text, "a") == 0, b = strcmp(item->text, "b") == 0;
        if (v->a == v->b || (!a && !b && strcmp(item->text, "tie") != 0)) {
            return pc_fail(PC_ERR_DATA, v->a == v->b ? "%s: a and b are the same model"
                                                     : "%s: prediction: expected \"a\", \"b\" or \"tie\"", item->where);
        }
        v->score = a ? 1 : b ? 0 : 0.5;
    }
    return PC_OK;
}

static void clear_votes(votes *v)
{
    pc_free(v->vote);
    pc_free(v->model);
}

static pc_status elo(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    votes v = {0};
    double *rating = NULL;
    pc_status status;
    (void)details;
    (void)values;
    PC_GO(read_votes(&v, items));
    PC_GO(PC_NEW_ARRAY(rating, v.models, "ratings"));
    for (size_t i = 0; i < v.models; i++) {
        rating[i] = START;
    }
    for (size_t i = 0; i < v.count; i++) {
        const vote *one = &v.vote[i];
        double step = K * (one->score - 1 / (1 + pow(10, (rating[one->b] - rating[one->a]) / SCALE)));
        rating[one->a] += step;
        rating[one->b] -= step;
    }
    for (size_t i = 0; i < v.models; i++) {
        PC_GO(pc_metric_set(corpus, v.model[i], rating[i]));
    }
done:
    clear_votes(&v);
    pc_free(rating);
    return status;
}

/* --- Bradley-Terry --- */

typedef struct fit {
    double *wins, *games; /* [models], [models][models] */
    double *strength, *next;
} fit;

static pc_status new_fit(fit *f, size_t models)
{
    PC_TRY(PC_NEW_ARRAY(f->wins, models, "victories"));
    PC_TRY(PC_NEW_ARRAY(f->games, models * models, "games"));
    PC_TRY(PC_NEW_ARRAY(f->strength, models, "strengths"));
    return PC_NEW_ARRAY(f->next, models, "strengths");
}

static void clear_fit(fit *f)
{
    pc_free(f->wins);
    pc_free(f->games);
    pc_free(f->strength);
    pc_free(f->next);
}

static void count_votes(fit *f, const votes *v, pc_rng *rng)
{
    memset(f->wins, 0, v->models * sizeof *f->wins);
    memset(f->games, 0, v->models * v->models * sizeof *f->games);
    for (size_t i = 0; i < v->count; i++) {
        const vote *one = &v->vote[rng ? pc_rng_below(rng, v->count) : i];
        f->wins[one->a] += one->score;
        f->wins[one->b] += 1 - one->score;
        f->games[one->a * v->models + one->b]++;
        f->games[one->b * v->models + one->a]++;
    }
}

/* f->strength becomes the ratings. A model that never won ends far below: the likelihood has no maximum there. */
static void solve(fit *f, size_t models)
{
    for (size_t i = 0; i < models; i++) {
        f->strength[i] = 1;
    }
    for (int round = 0; round < ITERATIONS; round++) {
        double change = 0, mean = 0;
        for (size_t i = 0; i < models; i++) {
            double below = 0;
            for (size_t k = 0; k < models; k++) {
                below += f->games[i * models + k] / (f->strength[i] + f->strength[k]);
            }
            f->next[i] = below > 0 ? fmax(f->wins[i], 1e-9) / below : f->strength[i];
            mean += log(f->next[i]) / (double)models;
        }
        for (size_t i = 0; i < models; i++) {
            double centred = f->next[i] / exp(mean);
            change = fmax(change, fabs(log(centred / f->strength[i])));
            f->strength[i] = centred;
        }
        if (change < 1e-12) {
            break;
        }
    }
    for (size_t i = 0; i < models; i++) {
        f->strength[i] = SCALE * log10(f->strength[i]) + START;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static pc_status set_ratings(pc_json *corpus, fit *f, const votes *v, double *rounds)
{
    pc_rng rng;
    pc_rng_init(&rng, 0, 0);
    for (int round = 0; round < ROUNDS; round++) {
        count_votes(f, v, &rng);
        solve(f, v->models);
        for (size_t i = 0; i < v->models; i++) {
            rounds[i * ROUNDS + (size_t)round] = f->strength[i];
        }
    }
    count_votes(f, v, NULL);
    solve(f, v->models);
    for (size_t i = 0; i < v->models; i++) {
        pc_json *one = pc_json_new_object();
        double *own = rounds + i * ROUNDS;
        qsort(own, ROUNDS, sizeof *own, by_value);
        PC_TRY(pc_json_set(corpus, v->model[i], one));
        PC_TRY(pc_metric_set(one, "rating", f->strength[i]));
        PC_TRY(pc_metric_set(one, "low", own[ROUNDS * 25 / 1000]));
        PC_TRY(pc_metric_set(one, "high", own[ROUNDS * 975 / 1000 - 1]));
    }
    return PC_OK;
}

static pc_status bradley_terry(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    votes v = {0};
    fit f = {0};
    double *rounds = NULL;
    pc_status status;
    (void)details;
    (void)values;
    PC_GO(read_votes(&v, items));
    PC_GO(new_fit(&f, v.models));
    PC_GO(PC_NEW_ARRAY(rounds, v.models * ROUNDS, "ratings"));
    PC_GO(set_ratings(corpus, &f, &v, rounds));
done:
    clear_votes(&v);
    clear_fit(&f);
    pc_free(rounds);
    return status;
}

const pc_metric pc_metric_elo = {
    .name = "elo", .help = "votes: online Elo ratings", .version = "elo-1", .scale = 1, .corpus = elo};
const pc_metric pc_metric_bradley_terry = {
    .name = "bradley_terry", .help = "votes: Bradley-Terry ratings with 95 % intervals", .version = "bradley_terry-1", .scale = 1,
    .corpus = bradley_terry};
