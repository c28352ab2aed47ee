/* METEOR 1.5 (Denkowski and Lavie 2014; cmu-mtlab/meteor) with its matchers of words: exact 1, stem 0.6, synonym 0.8.
 *
 *   w = 0.75 for content words, 0.25 for function words (delta)
 *   P = sum over modules of weight * w-weighted matched words / w-weighted length;  R the same for the reference
 *   F = 1 / (0.15 / P + 0.85 / R);  score = F * (1 - 0.6 * (chunks / matched words)^0.2)
 *
 * The best of several references counts; the corpus' value comes from the sums of the counts. Texts are normalised as with -norm
 * (quotes, dashes between words, contractions), expected in lower case as coco-caption's tokenizer gives them. `--data FOLDER`
 * holds english.synsets and english.exceptions; without it, stems and equal words alone match. The table of paraphrases is
 * not used: values are those of `-m "exact stem synonym"`.
 */
#include "base/memory.h"
#include "eval/metric/meteor_align.h"
#include "eval/metric/metric.h"
#include "eval/metric/rewrite.h"
#include "eval/metric/stem.h"
#include "eval/metric/synonyms.h"
#include "text/unicode.h"

#include <math.h>
#include <string.h>

static const double ALPHA = 0.85, BETA = 0.2, GAMMA = 0.6, DELTA = 0.75;
static const double weights[PC_METEOR_MODULES] = {1, 0.6, 0.8};

/* Words that carry structure: frequent ones in the data that METEOR was tuned on. */
static const char function_words[] =
    " the , . to of and a in that for \" is on 's it with was as said at he by be from have has are his but an this not i will \xE2\x80\x99 "
    "they ) -rrb- ( -lrb- who their had we which were been more or s its would about new one after you : also up when there than $ all "
    "out her people she year two - can if last first \xE2\x80\x9C over other \xE2\x80\x9D into some what so -- no time years could ? 't "
    "\xE2\x80\x94 ' ";

#define ALPHA_CLASS "A-Za-z\\x{160}\\x{161}\\x{178}\\x{17D}\\x{17E}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{17E}" \
                    "\\x{400}-\\x{527}\\x{A640}-\\x{A66E}\\x{A67E}-\\x{A697}\\x{1D00}-\\x{1D7F}"
static const pc_rewrite rules[] = {
    {"([^0-9" ALPHA_CLASS "\\s.'`,\\-\\x{2018}\\x{2019}])", " $1 "}, {"(\\.{2,})", " $1 "},
    {"([^0-9]),([^0-9])", "$1 , $2"}, {"([0-9]),([^0-9])", "$1 , $2"}, {"([^0-9]),([0-9])", "$1 , $2"},
    {"[`\\x{2018}\\x{2019}]", "'"}, {"[\\x{201C}\\x{201D}]|''", " \" "}, {"\\x{2013}", "-"}, {"--", "-"},
    {"([0-9" ALPHA_CLASS ".])-([0-9" ALPHA_CLASS "])", "$1 $2"},
    {"([^" ALPHA_CLASS "])'([^" ALPHA_CLASS "])", "$1 ' $2"}, {"([^0-9" ALPHA_CLASS "])'([" ALPHA_CLASS "])", "$1 ' $2"},
    {"([" ALPHA_CLASS "])'([^" ALPHA_CLASS "])", "$1 ' $2"}, {"([" ALPHA_CLASS "])'([" ALPHA_CLASS "])", "$1 '$2"},
    {"([0-9])'(s)", "$1 '$2"},
};

typedef struct meteor {
    pc_word_ids *ids, *stems;
    pc_synonyms *synonyms; /* NULL: none */
    pc_rewriter *rewriter;
    pc_meteor_lexicon lexicon;
    size_t known, room[4]; /* words that the lexicon holds; of each array */
    pc_str text, words;
} meteor;

/* --- words --- */

/* A period at a word's end is a word of its own, unless the next word is lower-case or the word is an initial or "v", "vs", "rev";
 * one within letters goes: "u.s." -> "us". */
static pc_status put_word(pc_str *out, const char *word, size_t length, const char *rest)
{
    bool dotted = length > 1 && word[length - 1] == '.' && word[0] != '.';
    rest += strspn(rest, " \t\n\r\f\v");
    if (dotted && memchr(word, '.', length - 1)) {
        for (size_t i = 0; i < length; i++) {
            PC_TRY(word[i] == '.' ? PC_OK : pc_str_putc(out, word[i]));
        }
    } else {
        bool known = (length == 2 && word[0] == 'v') || (length == 3 && memcmp(word, "vs", 2) == 0) ||
                     (length == 4 && memcmp(word, "rev", 3) == 0) || (length == 3 && memcmp(word, "pp", 2) == 0 && *rest >= '0' && *rest <= '9');
        bool split = dotted && !known && !(*rest >= 'a' && *rest <= 'z');
        PC_TRY(pc_str_add(out, word, length - split));
        PC_TRY(split ? pc_str_puts(out, " .") : PC_OK);
    }
    return pc_str_putc(out, ' ');
}

static pc_status read_words(meteor *m, pc_words *out, const char *text)
{
    pc_str_reset(&m->text);
    PC_TRY(pc_str_putc(&m->text, ' '));
    PC_TRY(pc_lowercase(&m->text, text, strlen(text)));
    PC_TRY(pc_str_putc(&m->text, ' '));
    PC_TRY(pc_rewrite_all(m->rewriter, &m->text));
    pc_str_reset(&m->words);
    PC_TRY(pc_str_puts(&m->words, ""));
    for (const char *at = m->text.data; *at;) {
        size_t length = strcspn(at, " \t\n\r\f\v");
        PC_TRY(length ? put_word(&m->words, at, length, at + length) : PC_OK);
        at += length + (at[length] != 0);
    }
    return pc_word_ids_read(m->ids, out, m->words.data);
}

static pc_status find_stem(meteor *m, const char *word, int *out)
{
    char stem[PC_STEM_LETTERS];
    size_t length = strlen(word);
    if (length + 2 < sizeof stem) {
        memcpy(stem, word, length + 1);
        pc_stem_english(stem);
        return pc_word_ids_add(m->stems, stem, strlen(stem), out);
    }
    return pc_word_ids_add(m->stems, word, length, out);
}

static bool is_function_word(const char *word)
{
    size_t length = strlen(word);
    for (const char *at = function_words; (at = strstr(at, word)); at++) {
        if (at[-1] == ' ' && at[length] == ' ') {
            return true;
        }
    }
    return false;
}

/* Tell the lexicon of the words that were read since. */
static pc_status learn_words(meteor *m)
{
    pc_meteor_lexicon *l = &m->lexicon;
    size_t count = pc_word_ids_count(m->ids);
    PC_TRY(pc_grow(&l->stem, &m->room[0], count, sizeof *l->stem, "words"));
    PC_TRY(pc_grow(&l->function, &m->room[1], count, sizeof *l->function, "words"));
    if (m->synonyms) {
        PC_TRY(pc_grow(&l->set, &m->room[2], count + 1, sizeof *l->set, "words"));
        PC_TRY(pc_grow(&l->sets, &m->room[3], count + 1, sizeof *l->sets, "words"));
    }
    for (; m->known < count; m->known++) {
        const char *word = pc_word_ids_text(m->ids, (int)m->known);
        PC_TRY(find_stem(m, word, &l->stem[m->known]));
        l->function[m->known] = is_function_word(word);
        if (m->synonyms) {
            PC_TRY(pc_synonyms_of(m->synonyms, word, &l->set[m->known], &l->sets[m->known]));
        }
    }
    return PC_OK;
}

/* --- scores --- */

static double share(const pc_meteor_side *side)
{
    double matched = 0;
    for (int i = 0; i < PC_METEOR_MODULES; i++) {
        matched += weights[i] * (DELTA * side->content[i] + (1 - DELTA) * side->function[i]);
    }
    return matched / (DELTA * (side->length - side->function_words) + (1 - DELTA) * side->function_words);
}

static double matched(const pc_meteor_side *side)
{
    double sum = 0;
    for (int i = 0; i < PC_METEOR_MODULES; i++) {
        sum += side->content[i] + side->function[i];
    }
    return sum;
}

/* Every word has a match and they stand in the same order. */
static bool is_whole(const pc_meteor_counts *c)
{
    return c->chunks == 1 && matched(&c->test) == c->test.length && matched(&c->reference) == c->reference.length;
}

static double score(const pc_meteor_counts *c)
{
    double f = 1 / ((1 - ALPHA) / share(&c->test) + ALPHA / share(&c->reference));
    double pieces = is_whole(c) ? 0 : c->chunks / ((matched(&c->test) + matched(&c->reference)) / 2);
    double value = f * (1 - GAMMA * pow(pieces, BETA));
    return isnan(value) || value < 0 ? 0 : value;
}

static void add_side(pc_meteor_side *sum, const pc_meteor_side *side)
{
    sum->length += side->length;
    sum->function_words += side->function_words;
    for (int i = 0; i < PC_METEOR_MODULES; i++) {
        sum->content[i] += side->content[i];
        sum->function[i] += side->function[i];
    }
}

static void add_counts(pc_meteor_counts *sum, const pc_meteor_counts *c)
{
    add_side(&sum->test, &c->test);
    add_side(&sum->reference, &c->reference);
    sum->chunks += is_whole(c) ? 0 : c->chunks;
}

static pc_status score_item(meteor *m, pc_meteor_counts *best, double *value, const pc_metric_item *item)
{
    pc_words test = {0}, reference = {0};
    size_t count = pc_metric_reference_count(item);
    pc_status status;
    *value = -1;
    if (!count || !pc_json_is_string(item->prediction)) {
        return pc_fail(PC_ERR_DATA, "%s: expected a text as prediction and at least one reference", item->where);
    }
    PC_GO(read_words(m, &test, item->text));
    for (size_t i = 0; i < count; i++) {
        const char *text;
        pc_meteor_counts counts;
        pc_free(reference.id);
        reference = (pc_words){0};
        PC_GO(pc_metric_reference(&text, item, i));
        PC_GO(read_words(m, &reference, text));
        PC_GO(learn_words(m));
        PC_GO(pc_meteor_align(&counts, &m->lexicon, &test, &reference));
        double one = score(&counts);
        if (one > *value) {
            *value = one;
            *best = counts;
        }
    }
done:
    pc_free(test.id);
    pc_free(reference.id);
    return status;
}

static void clear(meteor *m)
{
    for (size_t i = 0; m->lexicon.set && i < m->known; i++) {
        pc_free(m->lexicon.set[i]);
    }
    pc_free(m->lexicon.stem);
    pc_free(m->lexicon.function);
    pc_free(m->lexicon.set);
    pc_free(m->lexicon.sets);
    pc_word_ids_free(m->ids);
    pc_word_ids_free(m->stems);
    pc_synonyms_free(m->synonyms);
    pc_rewriter_free(m->rewriter);
    pc_str_clear(&m->text);
    pc_str_clear(&m->words);
}

static pc_status meteor_corpus(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    meteor m = {0};
    pc_meteor_counts sum = {0};
    pc_status status;
    (void)values;
    PC_GO(pc_word_ids_new(&m.ids));
    PC_GO(pc_word_ids_new(&m.stems));
    PC_GO(items->data ? pc_synonyms_load(&m.synonyms, items->data) : PC_OK);
    PC_GO(pc_rewriter_new(&m.rewriter, rules, sizeof rules / sizeof *rules));
    for (size_t i = 0; i < items->count; i++) {
        pc_meteor_counts best = {0};
        double value;
        PC_GO(score_item(&m, &best, &value, &items->item[i]));
        PC_GO(pc_metric_set(pc_json_at(details, i), "meteor", value));
        add_counts(&sum, &best);
    }
    PC_GO(pc_metric_set(corpus, "meteor", score(&sum)));
    PC_GO(pc_metric_set_text(corpus, "modules", items->data ? "exact stem synonym" : "exact stem"));
done:
    clear(&m);
    return status;
}

const pc_metric pc_metric_meteor = {
    .name = "meteor", .help = "captions: METEOR 1.5; --data FOLDER: english.synsets, english.exceptions", .version = "meteor-1",
    .scale = 1, .corpus = meteor_corpus};
