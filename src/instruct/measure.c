/* One pass over the exchanges. Whether a text was met before is known by a 64-bit hash of it: two different texts of a million have one hash
 * with a probability below 1e-7. */
#include "instruct/measure.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"
#include "data/dataset.h"
#include "instruct/coverage.h"
#include "instruct/phrases.h"
#include "instruct/roots.h"
#include "instruct/self_bleu.h"
#include "instruct/wording.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum { OPENING = 3 /* words */, NAMED = 3 /* bad samples in the log */, WORD_ANSWER = 3, LONG_ANSWER = 40 /* words */ };

static const char *const form_names[] = {"word", "sentence", "paragraph"};
enum { FORMS = sizeof form_names / sizeof *form_names };

/* Hashes of texts; open addressing, 0 = free. */
typedef struct hashes {
    uint64_t *slot;
    size_t slots, count;
} hashes;

/* One side of the exchanges: all questions, or all answers. */
typedef struct side {
    hashes seen;
    int64_t words;
    pc_phrases openings, roots;
    char **sample; /* [sampled]: as pc_wording writes them */
    size_t sampled;
    pc_str wording;
} side;

typedef struct measuring {
    const pc_measure_options *options;
    int64_t rows, skipped, exchanges, pictured;
    int64_t tasks[PC_COVERAGE_TASKS], forms[FORMS];
    side questions, answers;
    pc_sample sample;
    pc_str question, answer;
    pc_rng rng;
} measuring;

static void insert(hashes *set, uint64_t hash)
{
    size_t at = hash & (set->slots - 1);
    for (; set->slot[at]; at = (at + 1) & (set->slots - 1)) {
        if (set->slot[at] == hash) {
            return;
        }
    }
    set->slot[at] = hash;
    set->count++;
}

static pc_status add_hash(hashes *set, uint64_t hash)
{
    if (set->count >= set->slots / 2) {
        hashes larger = {.slots = set->slots ? 2 * set->slots : 1024};
        PC_TRY(PC_NEW_ARRAY(larger.slot, larger.slots, "hashes of texts"));
        for (size_t i = 0; i < set->slots; i++) {
            if (set->slot[i]) {
                insert(&larger, set->slot[i]);
            }
        }
        pc_free(set->slot);
        *set = larger;
    }
    insert(set, hash ? hash : 1);
    return PC_OK;
}

static void clear_side(side *s)
{
    for (size_t i = 0; i < s->sampled; i++) {
        pc_free(s->sample[i]);
    }
    pc_free(s->sample);
    pc_free(s->seen.slot);
    pc_phrases_clear(&s->openings);
    pc_phrases_clear(&s->roots);
    pc_str_clear(&s->wording);
}

/* Bytes of the first OPENING words. */
static size_t opening_length(const char *words)
{
    size_t length = 0;
    for (int i = 0; i < OPENING && words[length]; i++) {
        length += length ? 1 : 0;
        length += strcspn(words + length, " ");
    }
    return length;
}

/* Every exchange so far has the same chance to be in the sample (Vitter 1985, algorithm R). */
static pc_status keep_in_sample(measuring *m, side *s, uint64_t place)
{
    if (place < (uint64_t)m->options->sample) {
        char *copy = pc_strndup(s->wording.data, s->wording.length);
        PC_TRY(copy ? PC_OK : pc_fail_memory(s->wording.length, "a text"));
        if (place < s->sampled) {
            pc_free(s->sample[place]);
        } else {
            s->sampled++;
        }
        s->sample[place] = copy;
    }
    return PC_OK;
}

static pc_status count_text(measuring *m, side *s, const pc_str *text, uint64_t place)
{
    size_t words;
    char roots[PC_ROOTS_ROOM];
    pc_str_reset(&s->wording);
    PC_TRY(pc_str_puts(&s->wording, ""));
    PC_TRY(pc_wording(&s->wording, text->data, text->length, &words));
    s->words += (int64_t)words;
    PC_TRY(add_hash(&s->seen, XXH3_64bits(text->data, text->length)));
    size_t opening = opening_length(s->wording.data);
    PC_TRY(opening ? pc_phrases_add(&s->openings, s->wording.data, opening) : PC_OK);
    if (s == &m->questions && pc_roots_find(roots, s->wording.data)) {
        PC_TRY(pc_phrases_add(&s->roots, roots, strlen(roots)));
    }
    if (s == &m->answers) {
        m->forms[words <= WORD_ANSWER ? 0 : words <= LONG_ANSWER ? 1 : 2]++;
    }
    return keep_in_sample(m, s, place);
}

static pc_status join(pc_str *out, const pc_conversation *c, size_t message)
{
    const pc_message *m = &c->messages[message];
    pc_str_reset(out);
    PC_TRY(pc_str_puts(out, ""));
    for (size_t p = m->first; p < m->first + m->count; p++) {
        PC_TRY(c->parts[p].text ? pc_str_add(out, c->parts[p].text, c->parts[p].length) : PC_OK);
    }
    while (out->length && strchr(" \n\t\r", out->data[out->length - 1])) {
        out->data[--out->length] = '\0';
    }
    size_t blank = strspn(out->data, " \n\t\r");
    memmove(out->data, out->data + blank, out->length - blank + 1);
    out->length -= blank;
    return PC_OK;
}

static pc_status count_exchange(measuring *m, size_t message)
{
    const pc_conversation *c = &m->sample.conversation;
    PC_TRY(join(&m->question, c, message));
    PC_TRY(join(&m->answer, c, message + 1));
    uint64_t drawn = pc_rng_below(&m->rng, (uint64_t)m->exchanges + 1);
    uint64_t place = m->exchanges < m->options->sample ? (uint64_t)m->exchanges : drawn;
    m->exchanges++;
    PC_TRY(count_text(m, &m->questions, &m->question, place));
    PC_TRY(count_text(m, &m->answers, &m->answer, place));
    m->tasks[pc_coverage_task(&(pc_exchange){m->question.data, m->answer.data, (int)m->sample.image_count})]++;
    return PC_OK;
}

static pc_status count_sample(measuring *m, const pc_dataset *dataset, int64_t index)
{
    pc_status status = pc_dataset_read_texts(dataset, index, &m->sample);
    m->rows++;
    if (status == PC_ERR_DATA || status == PC_ERR_IO) {
        if (m->skipped++ < NAMED) {
            pc_log(PC_LOG_WARNING, "%s", pc_error());
        }
        return PC_OK;
    }
    PC_TRY(status);
    const pc_conversation *c = &m->sample.conversation;
    m->pictured += m->sample.image_count > 0;
    for (size_t i = 0; i + 1 < c->count; i++) {
        if (c->messages[i].role == PC_ROLE_USER && c->messages[i + 1].role == PC_ROLE_ASSISTANT) {
            PC_TRY(count_exchange(m, i));
        }
    }
    return PC_OK;
}

static pc_status count_dataset(measuring *m, const char *path)
{
    const pc_measure_options *o = m->options;
    pc_dataset *dataset;
    pc_dataset_options options = {.limit = o->limit};
    pc_status status = pc_dataset_open(&dataset, path, NULL, &options);
    int64_t all = status == PC_OK ? pc_dataset_count(dataset) : 0;
    for (int64_t i = 0; i < all && status == PC_OK; i++) {
        status = o->stop && o->stop(o->user) ? pc_fail(PC_ERR_INTERRUPTED, "stopped at sample %" PRId64 " of %s", i, path)
                                             : count_sample(m, dataset, i);
        if (status == PC_OK && o->progress) {
            o->progress(o->user, i + 1, all);
        }
    }
    pc_dataset_close(dataset);
    return status;
}

/* --- the report --- */

static pc_status set_number(pc_json *into, const char *key, double value)
{
    return pc_json_set(into, key, pc_json_new_number(value));
}

static pc_status set_phrases(pc_json *into, const char *key, const pc_phrases *phrases, int64_t exchanges, int64_t top)
{
    pc_json *node = pc_json_new_object(), *list;
    PC_TRY(pc_json_set(into, key, node));
    PC_TRY(set_number(node, "found", (double)phrases->total / (double)exchanges));
    PC_TRY(pc_json_set(node, "different", pc_json_new_integer((int64_t)pc_phrases_count(phrases))));
    PC_TRY(set_number(node, "effective", pc_phrases_effective(phrases)));
    PC_TRY(pc_phrases_top(&list, phrases, (size_t)top));
    return pc_json_set(node, "top", list);
}

static pc_status likeness(pc_likeness *out, const side *s)
{
    pc_word_ids *ids = NULL;
    pc_words *words = NULL;
    pc_status status;
    PC_GO(pc_word_ids_new(&ids));
    PC_GO(PC_NEW_ARRAY(words, s->sampled, "texts"));
    for (size_t i = 0; i < s->sampled; i++) {
        PC_GO(pc_word_ids_read(ids, &words[i], s->sample[i]));
    }
    status = pc_likeness_of(out, words, s->sampled);
done:
    for (size_t i = 0; words && i < s->sampled; i++) {
        pc_free(words[i].id);
    }
    pc_free(words);
    pc_word_ids_free(ids);
    return status;
}

static pc_status set_side(const measuring *m, pc_json *into, const char *key, const side *s)
{
    pc_json *node = pc_json_new_object();
    pc_likeness alike;
    double all = (double)m->exchanges;
    PC_TRY(pc_json_set(into, key, node));
    PC_TRY(likeness(&alike, s));
    PC_TRY(set_number(node, "different", (double)s->seen.count / all));
    PC_TRY(set_number(node, "words", (double)s->words / all));
    PC_TRY(pc_json_set(node, "sampled", pc_json_new_integer((int64_t)s->sampled)));
    for (int n = 0; n < PC_NGRAM_MAX; n++) {
        char name[16];
        snprintf(name, sizeof name, "distinct_%d", n + 1);
        PC_TRY(set_number(node, name, alike.distinct[n]));
    }
    PC_TRY(set_number(node, "self_bleu", alike.self_bleu));
    PC_TRY(set_phrases(node, "openings", &s->openings, m->exchanges, m->options->top));
    return s == &m->questions ? set_phrases(node, "verb_noun", &s->roots, m->exchanges, m->options->top) : PC_OK;
}

static pc_status set_tasks(const measuring *m, pc_json *into)
{
    pc_json *node = pc_json_new_object();
    double entropy = 0;
    int64_t covered = 0;
    PC_TRY(pc_json_set(into, "tasks", node));
    for (int i = 0; i < PC_COVERAGE_TASKS; i++) {
        double share = (double)m->tasks[i] / (double)m->exchanges;
        PC_TRY(pc_json_set(node, pc_coverage_name(i), pc_json_new_integer(m->tasks[i])));
        covered += m->tasks[i] > 0 && i + 1 < PC_COVERAGE_TASKS;
        entropy -= share > 0 ? share * log(share) : 0;
    }
    PC_TRY(pc_json_set(into, "tasks_covered", pc_json_new_integer(covered)));
    PC_TRY(pc_json_set(into, "tasks_known", pc_json_new_integer(PC_COVERAGE_TASKS - 1)));
    return set_number(into, "tasks_effective", exp(entropy));
}

static pc_status report(const measuring *m, pc_json *out)
{
    const struct {
        const char *key;
        int64_t value;
    } counts[] = {{"samples", m->rows}, {"skipped", m->skipped}, {"with_pictures", m->pictured}, {"exchanges", m->exchanges}};
    pc_json *forms = pc_json_new_object();
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        pc_status status = pc_json_set(out, counts[i].key, pc_json_new_integer(counts[i].value));
        if (status != PC_OK) {
            pc_json_free(forms);
            return status;
        }
    }
    PC_TRY(pc_json_set(out, "answer_forms", forms));
    for (int i = 0; i < FORMS; i++) {
        PC_TRY(pc_json_set(forms, form_names[i], pc_json_new_integer(m->forms[i])));
    }
    PC_TRY(set_tasks(m, out));
    PC_TRY(set_side(m, out, "questions", &m->questions));
    return set_side(m, out, "answers", &m->answers);
}

static pc_status measure(measuring *m, pc_json *out, const char *const *paths, int count)
{
    size_t room = (size_t)m->options->sample;
    pc_rng_init(&m->rng, m->options->seed, 0);
    PC_TRY(PC_NEW_ARRAY(m->questions.sample, room, "a sample of questions"));
    PC_TRY(PC_NEW_ARRAY(m->answers.sample, room, "a sample of answers"));
    for (int i = 0; i < count; i++) {
        PC_TRY(count_dataset(m, paths[i]));
    }
    if (!m->exchanges) {
        return pc_fail(PC_ERR_DATA, "no question with an answer in %" PRId64 " samples (%" PRId64 " of them unreadable)", m->rows, m->skipped);
    }
    return report(m, out);
}

pc_status pc_measure_data(pc_json **out, const char *const *paths, int count, const pc_measure_options *options)
{
    measuring m = {.options = options};
    *out = pc_json_new_object();
    pc_status status = *out ? measure(&m, *out, paths, count) : pc_fail_memory(0, "a report");
    if (status != PC_OK) {
        pc_json_free(*out);
        *out = NULL;
    }
    clear_side(&m.questions);
    clear_side(&m.answers);
    pc_sample_clear(&m.sample);
    pc_str_clear(&m.question);
    pc_str_clear(&m.answer);
    return status;
}
