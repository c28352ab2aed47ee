#include "clean/rules.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef struct asked {
    const pc_clean_options *options;
    const pc_clean_measures *m;
    const pc_json *about;
    int64_t uses;
    char *found; /* [PC_CLEAN_FOUND] */
} asked;

typedef enum answer { FITS, BREAKS, LACKS } answer;

static bool outside(int64_t value, int64_t least, int64_t most)
{
    return value < least || (most > 0 && value > most);
}

static answer pair(const asked *a)
{
    snprintf(a->found, PC_CLEAN_FOUND, "no %s", a->m->pictures == 0 ? "picture" : "caption");
    return a->m->pictures == 0 || a->m->length == 0 ? BREAKS : FITS;
}

static answer words(const asked *a)
{
    snprintf(a->found, PC_CLEAN_FOUND, "%" PRId64 " words", a->m->words);
    return outside(a->m->words, a->options->min_words, a->options->max_words) ? BREAKS : FITS;
}

static answer characters(const asked *a)
{
    snprintf(a->found, PC_CLEAN_FOUND, "%" PRId64 " characters", a->m->characters);
    return outside(a->m->characters, a->options->min_characters, a->options->max_characters) ? BREAKS : FITS;
}

static answer repeated(const asked *a)
{
    snprintf(a->found, PC_CLEAN_FOUND, "%.3f of the words repeated", a->m->repeated);
    return a->options->max_repeated > 0 && a->m->repeated > a->options->max_repeated ? BREAKS : FITS;
}

/* `word` is one of a list "a,b,c", capitals not minded. */
static bool is_listed(const char *list, const char *word)
{
    size_t length = strlen(word);
    while (*list) {
        size_t next = strcspn(list, ",");
        size_t blanks = strspn(list, " ");
        if (next >= blanks && next - blanks == length && strncasecmp(list + blanks, word, length) == 0) {
            return true;
        }
        list += next + (list[next] == ',');
    }
    return false;
}

static answer language(const asked *a)
{
    bool unknown = strcmp(a->m->language, "und") == 0;
    snprintf(a->found, PC_CLEAN_FOUND, "%s", unknown ? "no language told" : a->m->language);
    if (!a->options->languages || is_listed(a->options->languages, a->m->language)) {
        return FITS;
    }
    return unknown && a->options->unknown_language == PC_CLEAN_KEEP ? FITS : BREAKS;
}

static answer text_uses(const asked *a)
{
    snprintf(a->found, PC_CLEAN_FOUND, "%" PRId64 " samples with this caption", a->uses);
    return a->options->max_text_uses > 0 && a->uses > a->options->max_text_uses ? BREAKS : FITS;
}

static answer bytes(const asked *a)
{
    snprintf(a->found, PC_CLEAN_FOUND, "a picture of %" PRId64 " bytes", a->m->bytes);
    return a->m->bytes > 0 && a->m->bytes < a->options->min_bytes ? BREAKS : FITS;
}

static answer side(const asked *a)
{
    snprintf(a->found, PC_CLEAN_FOUND, "a side of %" PRId64 " pixels", a->m->side);
    return a->m->side < a->options->min_side ? BREAKS : FITS;
}

static answer aspect(const asked *a)
{
    snprintf(a->found, PC_CLEAN_FOUND, "sides as 1 to %.3f", a->m->aspect);
    return a->options->max_aspect > 0 && a->m->aspect > a->options->max_aspect ? BREAKS : FITS;
}

/* --- the metadata --- */

static const pc_json *member(const pc_json *about, const char *name)
{
    for (void *it = pc_json_first(about); it; it = pc_json_next(about, it)) {
        if (strcasecmp(pc_json_key(it), name) == 0) {
            return pc_json_value(it);
        }
    }
    return NULL;
}

/* Each of the scores `names` that is there against the limit. */
static answer scores(const asked *a, const char *const *names, double limit, bool most)
{
    answer result = limit > 0 ? LACKS : FITS;
    for (; limit > 0 && *names; names++) {
        const pc_json *score = member(a->about, *names);
        double value = pc_json_number(score, NAN);
        if (isnan(value)) {
            continue;
        }
        snprintf(a->found, PC_CLEAN_FOUND, "%s %.4g", *names, value);
        if (most ? value > limit : value < limit) {
            return BREAKS;
        }
        result = FITS;
    }
    return result;
}

static answer nsfw(const asked *a)
{
    static const char *const names[] = {"punsafe", "nsfw_score_opennsfw2", "nsfw_score_gantman", NULL};
    const char *word = pc_json_text(member(a->about, "NSFW"));
    answer by_word = FITS;
    if (a->options->nsfw_words) {
        by_word = !word ? LACKS : is_listed(a->options->nsfw_words, word) ? FITS : BREAKS;
        if (by_word == BREAKS) {
            snprintf(a->found, PC_CLEAN_FOUND, "NSFW %.60s", word);
            return BREAKS;
        }
    }
    answer by_score = scores(a, names, a->options->max_nsfw, true);
    return by_score == BREAKS ? BREAKS : by_word == LACKS || by_score == LACKS ? LACKS : FITS;
}

static answer watermark(const asked *a)
{
    static const char *const names[] = {"pwatermark", "watermark_score", NULL};
    return scores(a, names, a->options->max_watermark, true);
}

static answer aesthetic(const asked *a)
{
    static const char *const names[] = {"aesthetic", "aesthetic_score", "aesthetic_score_laion_v2", NULL};
    return scores(a, names, a->options->min_aesthetic, false);
}

static answer given_similarity(const asked *a)
{
    static const char *const names[] = {"similarity", "clip_similarity_vitb32", "clip_similarity_vitl14", NULL};
    return scores(a, names, a->options->min_given_similarity, false);
}

static const struct rule {
    const char *name;
    answer (*ask)(const asked *a); /* NULL: needs more than the sample */
} rules[PC_RULES] = {
    [PC_RULE_PAIR] = {"pair", pair},
    [PC_RULE_WORDS] = {"words", words},
    [PC_RULE_CHARACTERS] = {"characters", characters},
    [PC_RULE_REPEATED] = {"repeated", repeated},
    [PC_RULE_LANGUAGE] = {"language", language},
    [PC_RULE_TEXT_USES] = {"text_uses", text_uses},
    [PC_RULE_BYTES] = {"bytes", bytes},
    [PC_RULE_SIDE] = {"side", side},
    [PC_RULE_ASPECT] = {"aspect", aspect},
    [PC_RULE_NSFW] = {"nsfw", nsfw},
    [PC_RULE_WATERMARK] = {"watermark", watermark},
    [PC_RULE_AESTHETIC] = {"aesthetic", aesthetic},
    [PC_RULE_GIVEN_SIMILARITY] = {"given_similarity", given_similarity},
    [PC_RULE_DUPLICATE] = {"duplicate", NULL},
    [PC_RULE_NEAR_DUPLICATE] = {"near_duplicate", NULL},
    [PC_RULE_AGAINST] = {"against", NULL},
    [PC_RULE_SIMILARITY] = {"similarity", NULL},
};

const char *pc_clean_rule_name(int rule)
{
    return rules[rule].name;
}

void pc_clean_judge(pc_clean_verdict *out, const pc_clean_options *options, const pc_clean_measures *measures,
                    const pc_json *about, int64_t uses)
{
    asked a = {options, measures, about, uses, out->found};
    *out = (pc_clean_verdict){.rule = -1};
    for (int i = 0; i < PC_RULES_ALONE && out->rule < 0; i++) {
        answer got = rules[i].ask(&a);
        out->lacks[i] = got == LACKS;
        if (got == LACKS && options->missing == PC_CLEAN_DROP) {
            snprintf(out->found, sizeof out->found, "no such score");
        }
        if (got == BREAKS || (got == LACKS && options->missing == PC_CLEAN_DROP)) {
            out->rule = i;
        }
    }
}
