/* AMBER (Wang et al. 2023; junyangwang0410/AMBER, inference.py): what is there in a description, and questions with yes or no.
 *
 * A reference line has "type" and
 *   generative        "truth" and "hallu": objects that are there, and absent ones that one is led to name
 *   discriminative-*  "references": yes or no. The answer must be Yes or No to the letter; "No" is the positive class
 *
 * Questions are scored as there, rounded to one decimal as there. Descriptions are scored in words: the original finds nouns with a
 * tagger and compares meanings with word vectors; here a noun is any word of relation.json (or one whose singular is), and two words
 * mean the same when they are equal or associated there. Hence those values carry "words" in their names: chair_words ...
 * `--data FOLDER`: relation.json ({"object": [associated, ...]}) and safe_words.txt; needed for descriptions alone.
 */
#include "base/file.h"
#include "base/memory.h"
#include "eval/metric/metric.h"
#include "eval/metric/singular.h"
#include "eval/metric/words.h"
#include "text/unicode.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 24 };

/* Counts begin with this much in their denominators. */
static const double SLACK = 0.001;

typedef struct questions {
    double asked, right, no, no_right, said_no, said_no_right;
} questions;

enum { ALL, EXISTENCE, ATTRIBUTE, STATE, NUMBER, ACTION, RELATION, GROUPS };
static const char *const group_names[GROUPS] = {"all", "existence", "attribute", "state", "number", "action", "relation"};

typedef struct amber {
    pc_json *relation;
    char *safe;             /* the text of safe_words.txt */
    pc_word_ids *vocabulary, *safe_words;
    pc_singular *singular;
    pc_str lower, word;
    questions group[GROUPS];
    double responses, clean, nouns, bad, truth, covered, lures, named;
} amber;

/* --- questions --- */

static double rounded(double value)
{
    char text[64];
    snprintf(text, sizeof text, "%.1f", value);
    return strtod(text, NULL);
}

static void add_question(questions *q, bool truth_no, bool said_yes, bool said_no)
{
    q->asked++;
    q->right += truth_no ? said_no : said_yes;
    q->no += truth_no;
    q->no_right += truth_no && said_no;
    q->said_no += said_no;
    q->said_no_right += truth_no && said_no;
}

static pc_status set_questions(pc_json *into, const questions *q, double slack)
{
    double precision = rounded(100 * q->said_no_right / (q->said_no + SLACK)) / 100;
    double recall = rounded(100 * q->no_right / (q->no + SLACK)) / 100;
    PC_TRY(pc_metric_set(into, "accuracy", rounded(100 * q->right / (q->asked + SLACK))));
    PC_TRY(pc_metric_set(into, "precision", 100 * precision));
    PC_TRY(pc_metric_set(into, "recall", 100 * recall));
    PC_TRY(pc_metric_set(into, "f1", rounded(2 * precision * recall / (precision + recall + slack) * 100)));
    return pc_json_set(into, "n", pc_json_new_integer((int64_t)q->asked));
}

static int kind_of(const char *type)
{
    return pc_ends_with(type, "attribute-state")    ? STATE
           : pc_ends_with(type, "attribute-number") ? NUMBER
           : pc_ends_with(type, "attribute-action") ? ACTION
           : pc_ends_with(type, "hallucination")    ? EXISTENCE
                                                    : RELATION;
}

static pc_status take_question(amber *a, double *value, const pc_metric_item *item, const char *type)
{
    const char *truth;
    PC_TRY(pc_metric_reference(&truth, item, 0));
    bool no = strcmp(truth, "no") == 0, said_yes = strcmp(item->text, "Yes") == 0, said_no = strcmp(item->text, "No") == 0;
    if (!no && strcmp(truth, "yes") != 0) {
        return pc_fail(PC_ERR_DATA, "%s: references: expected yes or no, found '%.40s'", item->where, truth);
    }
    int kind = kind_of(type);
    add_question(&a->group[ALL], no, said_yes, said_no);
    add_question(&a->group[kind], no, said_yes, said_no);
    if (kind == STATE || kind == NUMBER || kind == ACTION) {
        add_question(&a->group[ATTRIBUTE], no, said_yes, said_no);
    }
    *value = no ? said_no : said_yes;
    return PC_OK;
}

/* --- descriptions --- */

static pc_status add_word(pc_word_ids *ids, const pc_json *word, const char *where)
{
    int id;
    const char *text = pc_json_text(word);
    return text && *text ? pc_word_ids_add(ids, text, strlen(text), &id)
                         : pc_fail(PC_ERR_DATA, "%s: expected words", where);
}

static pc_status read_relation(amber *a, const char *path)
{
    int id;
    PC_TRY(pc_json_read(&a->relation, path, FILE_LIMIT));
    for (void *it = pc_json_first(a->relation); it; it = pc_json_next(a->relation, it)) {
        PC_TRY(pc_word_ids_add(a->vocabulary, pc_json_key(it), strlen(pc_json_key(it)), &id));
        for (size_t i = 0; i < pc_json_length(pc_json_value(it)); i++) {
            PC_TRY(add_word(a->vocabulary, pc_json_at(pc_json_value(it), i), path));
        }
    }
    return pc_word_ids_count(a->vocabulary) ? PC_OK : pc_fail(PC_ERR_DATA, "%s: expected an object of lists", path);
}

static pc_status read_safe(amber *a, const char *path)
{
    size_t size;
    int id;
    PC_TRY(pc_file_read(&a->safe, &size, path, FILE_LIMIT));
    char *rest = a->safe;
    for (char *line; (line = strsep(&rest, "\n"));) {
        PC_TRY(*line ? pc_word_ids_add(a->safe_words, line, strlen(line), &id) : PC_OK);
    }
    return PC_OK;
}

static pc_status open_words(amber *a, const char *folder)
{
    if (a->singular) {
        return PC_OK;
    }
    if (!folder) {
        return pc_fail(PC_ERR_USAGE, "descriptions need --data FOLDER with relation.json and safe_words.txt");
    }
    PC_TRY(pc_word_ids_new(&a->vocabulary));
    PC_TRY(pc_word_ids_new(&a->safe_words));
    char *relation = pc_path_join(folder, "relation.json"), *safe = pc_path_join(folder, "safe_words.txt");
    pc_status status = relation && safe ? PC_OK : pc_fail_memory(0, "a path");
    PC_GO(status);
    PC_GO(read_relation(a, relation));
    PC_GO(read_safe(a, safe));
    PC_GO(pc_singular_new(&a->singular));
done:
    pc_free(relation);
    pc_free(safe);
    return status;
}

/* Which of the objects does the word mean? An associated word means the first object that it stands by. -1 for none. */
static int meant(const amber *a, const pc_json *objects, const char *word)
{
    for (size_t i = 0; i < pc_json_length(objects); i++) {
        const pc_json *list = pc_json_get(a->relation, pc_json_text(pc_json_at(objects, i)));
        for (size_t k = 0; k < pc_json_length(list); k++) {
            if (strcmp(pc_json_text(pc_json_at(list, k)), word) == 0) {
                return (int)i;
            }
        }
    }
    for (size_t i = 0; i < pc_json_length(objects); i++) {
        if (strcmp(pc_json_text(pc_json_at(objects, i)), word) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static pc_status check_objects(const amber *a, const pc_metric_item *item, const char *key)
{
    const pc_json *objects = pc_json_get(item->reference, key);
    for (size_t i = 0; i < pc_json_length(objects); i++) {
        const char *name = pc_json_text(pc_json_at(objects, i));
        if (!name || !pc_json_is_array(pc_json_get(a->relation, name))) {
            return pc_fail(PC_ERR_DATA, "%s: %s[%zu]: '%.80s' is no object of relation.json", item->where, key, i, name ? name : "");
        }
    }
    return pc_json_is_array(objects) ? PC_OK : pc_fail(PC_ERR_DATA, "%s: %s: expected an array of texts", item->where, key);
}

/* a->word = the vocabulary's form of the word, or "". */
static pc_status find_noun(amber *a, const char *word, size_t length)
{
    pc_str_reset(&a->word);
    PC_TRY(pc_str_add(&a->word, word, length));
    if (pc_word_ids_find(a->vocabulary, word, length) < 0) {
        PC_TRY(pc_singular_of(a->singular, &a->word));
        if (pc_word_ids_find(a->vocabulary, a->word.data, a->word.length) < 0) {
            pc_str_reset(&a->word);
            return pc_str_puts(&a->word, "");
        }
    }
    return PC_OK;
}

typedef struct description {
    const pc_json *truth, *hallu;
    bool *covered, *named; /* [truth], [hallu] */
    int64_t bad;
} description;

static pc_status read_nouns(amber *a, description *d, const char *text)
{
    pc_str_reset(&a->lower);
    PC_TRY(pc_str_puts(&a->lower, ""));
    PC_TRY(pc_lowercase(&a->lower, text, strlen(text)));
    for (const char *at = a->lower.data; *at;) {
        size_t length = 0;
        for (; at[length] && (isalnum((unsigned char)at[length]) || at[length] == '-' || (at[length] & 0x80)); length++) {
        }
        if (length) {
            PC_TRY(find_noun(a, at, length));
            a->nouns += a->word.length > 0;
            int there = a->word.length ? meant(a, d->truth, a->word.data) : -1;
            int lure = a->word.length ? meant(a, d->hallu, a->word.data) : -1;
            if (a->word.length && pc_word_ids_find(a->safe_words, a->word.data, a->word.length) < 0) {
                if (there >= 0) {
                    d->covered[there] = true;
                } else {
                    d->bad++;
                }
                if (there < 0 && lure >= 0) {
                    d->named[lure] = true;
                }
            }
        }
        at += length + (at[length] != 0);
    }
    return PC_OK;
}

static double count_true(const bool *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += values[i];
    }
    return sum;
}

static pc_status take_description(amber *a, double *value, const pc_metric_item *item, const char *folder)
{
    description d = {.truth = pc_json_get(item->reference, "truth"), .hallu = pc_json_get(item->reference, "hallu")};
    size_t truth = pc_json_length(d.truth), hallu = pc_json_length(d.hallu);
    pc_status status;
    PC_GO(open_words(a, folder));
    PC_GO(check_objects(a, item, "truth"));
    PC_GO(check_objects(a, item, "hallu"));
    PC_GO(PC_NEW_ARRAY(d.covered, truth, "objects"));
    PC_GO(PC_NEW_ARRAY(d.named, hallu, "objects"));
    PC_GO(read_nouns(a, &d, item->text));
    a->responses++;
    a->clean += d.bad == 0;
    a->bad += (double)d.bad;
    a->truth += (double)truth;
    a->covered += count_true(d.covered, truth);
    a->lures += (double)hallu;
    a->named += count_true(d.named, hallu);
    *value = d.bad == 0;
done:
    pc_free(d.covered);
    pc_free(d.named);
    return status;
}

static pc_status set_all(pc_json *corpus, const amber *a)
{
    if (a->responses > 0) {
        PC_TRY(pc_metric_set(corpus, "chair_words", rounded(100 * a->bad / (a->nouns + SLACK))));
        PC_TRY(pc_metric_set(corpus, "cover_words", rounded(100 * a->covered / (a->truth + SLACK))));
        PC_TRY(pc_metric_set(corpus, "hal_words", rounded(100 - 100 * a->clean / (a->responses + SLACK))));
        PC_TRY(pc_metric_set(corpus, "cog_words", rounded(100 * a->named / (a->lures + SLACK))));
    }
    for (int i = 0; i < GROUPS; i++) {
        pc_json *one;
        if (a->group[i].asked > 0) {
            PC_TRY(pc_json_set(corpus, group_names[i], one = pc_json_new_object()));
            PC_TRY(set_questions(one, &a->group[i], i == EXISTENCE ? 0.001 : 0.0001));
        }
    }
    return PC_OK;
}

static pc_status amber_corpus(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    amber a = {0};
    pc_status status = PC_OK;
    (void)values;
    for (size_t i = 0; i < items->count; i++) {
        const pc_metric_item *item = &items->item[i];
        const char *type;
        double value = 0;
        PC_GO(pc_json_need_text(&type, item->reference, "type", item->where));
        PC_GO(strcmp(type, "generative") == 0 ? take_description(&a, &value, item, items->data)
                                              : take_question(&a, &value, item, type));
        PC_GO(pc_metric_set(pc_json_at(details, i), "amber", value));
    }
    PC_GO(set_all(corpus, &a));
done:
    pc_json_free(a.relation);
    pc_free(a.safe);
    pc_word_ids_free(a.vocabulary);
    pc_word_ids_free(a.safe_words);
    pc_singular_free(a.singular);
    pc_str_clear(&a.lower);
    pc_str_clear(&a.word);
    return status;
}

const pc_metric pc_metric_amber = {
    .name = "amber", .help = "AMBER: questions with yes or no; descriptions in words, --data FOLDER", .version = "amber-1",
    .scale = 100, .corpus = amber_corpus};
