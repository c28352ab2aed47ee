/* CHAIR (Rohrbach et al. 2018; LisaAnne/Hallucination, utils/chair.py): which objects does a caption name that aren't there?
 *
 *   words -> singular -> two-word names joined ("fire hydrant"; "baby bird" -> "bird") -> classes by the file of synonyms
 *   there: the classes of "objects", and those that the reference captions name
 *   chair_s = captions with a wrong object / captions;  chair_i = wrong mentions / mentions;  both in percent
 *   recall = classes that are there and named / classes that are there;  length = words of a caption
 *
 * `--data FILE`: a line for each class, its name and other names for it, separated by ", ". A reference line has "objects": names of
 * classes, and "references": captions, each may be empty. Words are cut as by nltk's tokenizer for plain sentences.
 */
#include "base/file.h"
#include "base/memory.h"
#include "eval/metric/metric.h"
#include "eval/metric/rewrite.h"
#include "eval/metric/singular.h"
#include "eval/metric/words.h"
#include "text/unicode.h"

#include <string.h>

enum { FILE_LIMIT = 1 << 22 };

static const pc_rewrite cuts[] = {
    {"([;@#$%&?!\\[\\]{}()<>\"])", " $1 "}, {"([:,])([^0-9])", " $1 $2"}, {"([:,])$", " $1 "}, {"--", " -- "},
    {"\\.(\\s|$)", " . "}, {"n't\\b", " n't"}, {"'(s|m|d|ll|re|ve)\\b", " '$1"}, {"'(\\s|$)", " ' "},
};

/* Two words that are one name. Words stand in the singular: hence "glas". */
static const char *const pairs[][2] = {
    {"motor bike", NULL}, {"motor cycle", NULL}, {"air plane", NULL}, {"traffic light", NULL}, {"street light", NULL},
    {"traffic signal", NULL}, {"stop light", NULL}, {"fire hydrant", NULL}, {"stop sign", NULL}, {"parking meter", NULL},
    {"suit case", NULL}, {"sports ball", NULL}, {"baseball bat", NULL}, {"baseball glove", NULL}, {"tennis racket", NULL},
    {"wine glass", NULL}, {"hot dog", NULL}, {"cell phone", NULL}, {"mobile phone", NULL}, {"teddy bear", NULL},
    {"hair drier", NULL}, {"potted plant", NULL}, {"laptop computer", NULL}, {"stove top oven", NULL}, {"home plate", NULL},
    {"train track", NULL}, {"bow tie", "tie"}, {"toilet seat", "toilet"}, {"wine glas", "wine glass"},
    {"passenger jet", "jet"}, {"passenger train", "train"}};
static const char *const animals[] = {"bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe",
                                      "animal", "cub"};

typedef struct chair {
    pc_word_ids *names;   /* of the file of synonyms */
    int *class;           /* [names] the class is names[class] */
    size_t class_room;
    pc_rewriter *cuts;
    pc_singular *singular;
    pc_str text, word;
    pc_str words;         /* singular, each ended by NUL */
    size_t *at, count, room; /* where the words begin */
} chair;

/* What a caption names, in order; [count] */
typedef struct mentions {
    int *class;
    size_t count, room;
    size_t words; /* of the caption, names of two words counted once */
} mentions;

/* --- the file of synonyms --- */

static pc_status add_name(chair *c, const char *name, size_t length, int *class)
{
    int id;
    PC_TRY(pc_word_ids_add(c->names, name, length, &id));
    PC_TRY(pc_grow(&c->class, &c->class_room, (size_t)id + 1, sizeof *c->class, "names of objects"));
    *class = *class < 0 ? id : *class;
    c->class[id] = *class; /* the last line that names it */
    return PC_OK;
}

/* Names are cut at ", " alone: one behind two blanks keeps a blank and is never met, as in the original. */
static pc_status read_line(chair *c, char *line)
{
    int class = -1;
    line += strspn(line, " \t\r");
    for (size_t n = strlen(line); n && strchr(" \t\r", line[n - 1]); n--) {
        line[n - 1] = 0;
    }
    while (*line) {
        const char *end = strstr(line, ", ");
        size_t length = end ? (size_t)(end - line) : strlen(line);
        PC_TRY(add_name(c, line, length, &class));
        line += length + (end ? 2 : 0);
    }
    return PC_OK;
}

static pc_status read_names(chair *c, const char *path)
{
    size_t size;
    char *text = NULL;
    pc_status status = pc_file_read(&text, &size, path, FILE_LIMIT);
    char *rest = text;
    for (char *line; status == PC_OK && (line = strsep(&rest, "\n"));) {
        status = read_line(c, line);
    }
    pc_free(text);
    return status == PC_OK && !pc_word_ids_count(c->names) ? pc_fail(PC_ERR_DATA, "%s: names no objects", path) : status;
}

/* --- words --- */

static const char *join(const char *first, const char *second)
{
    size_t length = strlen(first);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (strncmp(pairs[i][0], first, length) == 0 && pairs[i][0][length] == ' ' && strcmp(pairs[i][0] + length + 1, second) == 0) {
            return pairs[i][1] ? pairs[i][1] : pairs[i][0];
        }
    }
    bool young = strcmp(first, "baby") == 0 || strcmp(first, "adult") == 0;
    for (size_t i = 0; young && i < sizeof animals / sizeof *animals; i++) {
        if (strcmp(animals[i], second) == 0) {
            return animals[i];
        }
    }
    return NULL;
}

static pc_status cut_words(chair *c, const char *caption)
{
    pc_str_reset(&c->text);
    pc_str_reset(&c->words);
    c->count = 0;
    PC_TRY(pc_str_puts(&c->text, ""));
    PC_TRY(pc_lowercase(&c->text, caption, strlen(caption)));
    PC_TRY(pc_rewrite_all(c->cuts, &c->text));
    for (const char *at = c->text.data; *at;) {
        size_t length = strcspn(at, " \t\n\r\f\v");
        if (length) {
            pc_str_reset(&c->word);
            PC_TRY(pc_str_add(&c->word, at, length));
            PC_TRY(pc_singular_of(c->singular, &c->word));
            PC_TRY(pc_grow(&c->at, &c->room, c->count + 1, sizeof *c->at, "words"));
            c->at[c->count++] = c->words.length;
            PC_TRY(pc_str_add(&c->words, c->word.length ? c->word.data : "", c->word.length));
            PC_TRY(pc_str_putc(&c->words, 0));
        }
        at += length + (at[length] != 0);
    }
    return PC_OK;
}

static pc_status mention(const chair *c, mentions *out, const char *word)
{
    int id = pc_word_ids_find(c->names, word, strlen(word));
    if (id < 0) {
        return PC_OK;
    }
    PC_TRY(pc_grow(&out->class, &out->room, out->count + 1, sizeof *out->class, "mentions"));
    out->class[out->count++] = c->class[id];
    return PC_OK;
}

/* A toilet's seat is no chair. */
static bool has_toilet(const chair *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const char *word = c->words.data + c->at[i];
        if (strcmp(word, "toilet") == 0) {
            return true;
        }
    }
    return false;
}

static pc_status read_caption(chair *c, mentions *out, const char *caption)
{
    PC_TRY(cut_words(c, caption));
    bool toilet = has_toilet(c);
    out->count = out->words = 0;
    for (size_t i = 0; i < c->count; i++, out->words++) {
        const char *word = c->words.data + c->at[i];
        const char *joined = i + 1 < c->count ? join(word, c->words.data + c->at[i + 1]) : NULL;
        if (!(toilet && !joined && strcmp(word, "seat") == 0)) {
            PC_TRY(mention(c, out, joined ? joined : word));
        }
        i += joined != NULL;
    }
    return PC_OK;
}

/* --- what is there --- */

static pc_status find_truth(chair *c, bool *there, mentions *work, const pc_metric_item *item)
{
    const pc_json *objects = pc_json_get(item->reference, "objects");
    memset(there, 0, pc_word_ids_count(c->names) * sizeof *there);
    for (size_t i = 0; i < pc_json_length(objects); i++) {
        const char *name = pc_json_text(pc_json_at(objects, i));
        int id = name ? pc_word_ids_find(c->names, name, strlen(name)) : -1;
        if (id < 0) {
            return pc_fail(PC_ERR_DATA, "%s: objects[%zu]: '%.80s' is no name of the file of --data", item->where, i, name ? name : "");
        }
        there[c->class[id]] = true;
    }
    for (size_t i = 0; i < pc_metric_reference_count(item); i++) {
        const char *caption;
        PC_TRY(pc_metric_reference(&caption, item, i));
        PC_TRY(read_caption(c, work, caption));
        for (size_t k = 0; k < work->count; k++) {
            there[work->class[k]] = true;
        }
    }
    return PC_OK;
}

typedef struct sums {
    double captions, wrong_captions, mentions, wrong, there, found, words;
} sums;

static pc_status score_item(chair *c, sums *sum, bool *there, mentions *work, const pc_metric_item *item, pc_json *detail)
{
    double wrong = 0, before = sum->found;
    pc_json *list;
    PC_TRY(find_truth(c, there, work, item));
    PC_TRY(read_caption(c, work, item->text));
    PC_TRY(pc_json_set(detail, "hallucinated", list = pc_json_new_array()));
    for (size_t i = 0; i < pc_word_ids_count(c->names); i++) {
        sum->there += there[i];
    }
    for (size_t i = 0; i < work->count; i++) {
        bool first = true;
        for (size_t k = 0; k < i; k++) {
            first = first && work->class[k] != work->class[i];
        }
        if (there[work->class[i]]) {
            sum->found += first;
        } else {
            wrong++;
            PC_TRY(pc_json_push(list, pc_json_new_text(pc_word_ids_text(c->names, work->class[i]))));
        }
    }
    sum->captions++;
    sum->wrong_captions += wrong > 0;
    sum->mentions += (double)work->count;
    sum->wrong += wrong;
    sum->words += (double)work->words;
    PC_TRY(pc_json_set(detail, "mentions", pc_json_new_integer((int64_t)work->count)));
    PC_TRY(pc_json_set(detail, "found", pc_json_new_integer((int64_t)(sum->found - before))));
    return pc_metric_set(detail, "chair", work->count ? 100 * wrong / (double)work->count : 0);
}

static double percent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

static pc_status set_sums(pc_json *corpus, const sums *sum)
{
    PC_TRY(pc_metric_set(corpus, "chair_s", percent(sum->wrong_captions, sum->captions)));
    PC_TRY(pc_metric_set(corpus, "chair_i", percent(sum->wrong, sum->mentions)));
    PC_TRY(pc_metric_set(corpus, "recall", percent(sum->found, sum->there)));
    PC_TRY(pc_metric_set(corpus, "length", sum->captions > 0 ? sum->words / sum->captions : 0));
    return pc_json_set(corpus, "mentions", pc_json_new_integer((int64_t)sum->mentions));
}

static pc_status open_chair(chair *c, const char *path)
{
    if (!path) {
        return pc_fail(PC_ERR_USAGE, "chair needs --data FILE, the names of objects: a line for each, \"name, other name, ...\"");
    }
    PC_TRY(pc_word_ids_new(&c->names));
    PC_TRY(read_names(c, path));
    PC_TRY(pc_rewriter_new(&c->cuts, cuts, sizeof cuts / sizeof *cuts));
    return pc_singular_new(&c->singular);
}

static void close_chair(chair *c)
{
    pc_word_ids_free(c->names);
    pc_rewriter_free(c->cuts);
    pc_singular_free(c->singular);
    pc_str_clear(&c->text);
    pc_str_clear(&c->word);
    pc_str_clear(&c->words);
    pc_free(c->class);
    pc_free(c->at);
}

static pc_status chair_corpus(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    chair c = {0};
    mentions work = {0};
    sums sum = {0};
    bool *there = NULL;
    pc_status status;
    (void)values;
    PC_GO(open_chair(&c, items->data));
    PC_GO(PC_NEW_ARRAY(there, pc_word_ids_count(c.names), "objects"));
    for (size_t i = 0; i < items->count; i++) {
        PC_GO(score_item(&c, &sum, there, &work, &items->item[i], pc_json_at(details, i)));
    }
    PC_GO(set_sums(corpus, &sum));
done:
    close_chair(&c);
    pc_free(there);
    pc_free(work.class);
    return status;
}

const pc_metric pc_metric_chair = {
    .name = "chair", .help = "captions: objects named that aren't there; --data FILE: their names", .version = "chair-1",
    .scale = 100, .corpus = chair_corpus};
