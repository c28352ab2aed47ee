/* By rules: items of lists are dropped, numbers and attributes put right. By a language model: it gets the claims and writes anew. */
#include "agent/rewrite.h"

#include "agent/ask.h"
#include "agent/words.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MOST_WORDS = 1024 };

/* What becomes of an item. */
typedef struct fate {
    bool dropped;
    int number;               /* in place of its own, 0 = stays */
    int word;                 /* that is replaced, -1 = none */
    const char *replacement;  /* of that word; borrowed from the record */
    const char *evidence;     /* a claim; borrowed */
    const pc_json *boxes;     /* borrowed */
} fate;

static const pc_json *find(const pc_json *array, const char *key, const char *value)
{
    for (size_t i = 0; i < pc_json_length(array); i++) {
        if (strcasecmp(pc_json_get_text(pc_json_at(array, i), key, ""), value) == 0) {
            return pc_json_at(array, i);
        }
    }
    return NULL;
}

/* Concept number i has claim number i. */
static void give_evidence(const pc_json *record, const pc_json *concept, fate *out)
{
    const pc_json *concepts = pc_json_get(record, "concepts");
    for (size_t i = 0; i < pc_json_length(concepts); i++) {
        if (pc_json_at(concepts, i) == concept) {
            out->evidence = pc_json_text(pc_json_at(pc_json_get(record, "claims"), i));
            out->boxes = pc_json_get(concept, "boxes");
        }
    }
}

/* Items that say more of a concept than there is; the last ones go first. */
static void judge_counts(const pc_json *record, const pc_words *words, const pc_json *concept, fate *fates)
{
    const char *name = pc_json_get_text(concept, "name", "");
    const int64_t there = pc_json_get_integer(concept, "count", 0);
    int64_t said = 0;
    for (size_t i = 0; i < words->count; i++) {
        said += strcasecmp(words->items[i].concept, name) == 0 ? words->items[i].count : 0;
    }
    for (size_t i = words->count; i-- > 0 && said > there;) {
        const pc_words_item *item = &words->items[i];
        if (strcasecmp(item->concept, name) != 0) {
            continue;
        }
        const int64_t left = item->count - (said - there);
        fates[i].dropped = left <= 0;
        fates[i].number = left > 1 ? (int)left : 0;
        said -= left <= 0 ? item->count : left > 1 ? said - there : 0;
        if (fates[i].dropped || fates[i].number) {
            give_evidence(record, concept, &fates[i]);
        }
    }
}

/* The attribute of the only one of its concept. */
static void judge_attributes(const pc_json *record, const pc_words *words, size_t i, const char *text, fate *out)
{
    const pc_words_item *item = &words->items[i];
    const pc_json *concept = find(pc_json_get(record, "concepts"), "name", item->concept);
    size_t same = 0;
    for (size_t k = 0; k < words->count; k++) {
        same += strcasecmp(words->items[k].concept, item->concept) == 0;
    }
    if (out->dropped || item->count != 1 || same != 1 || pc_json_get_integer(concept, "count", 0) != 1) {
        return;
    }
    for (int w = 0; w + 2 < item->word_count; w++) {
        const char *pattern = pc_words_question(text, item->words[w].begin, item->words[w].end);
        char question[2 * PC_WORDS_CONCEPT];
        if (!pattern) {
            continue;
        }
        const char *hole = strstr(pattern, "%s");
        snprintf(question, sizeof question, "%.*s%s%s", (int)(hole - pattern), pattern, item->concept, hole + 2);
        const pc_json *entry = find(pc_json_get(record, "questions"), "question", question);
        const char *answer = pc_json_get_text(pc_json_at(pc_json_get(entry, "answers"), 0), "answer", "");
        if (pc_words_contradict(text, item->words[w].begin, item->words[w].end, answer)) {
            out->word = w;
            out->replacement = out->evidence = answer;
            out->boxes = pc_json_get(concept, "boxes");
        }
    }
}

/* --- writing --- */

static pc_status write_item(pc_str *out, const char *text, const pc_words_item *item, const fate *f)
{
    static const char *const numbers[] = {"", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};
    size_t at = item->begin;
    if (f->number && f->number <= 10) {
        PC_TRY(pc_str_puts(out, numbers[f->number]));
        at = item->begin + strcspn(text + item->begin, " ");
    }
    if (f->word >= 0) {
        PC_TRY(pc_str_add(out, text + at, item->words[f->word].begin - at));
        PC_TRY(pc_str_puts(out, f->replacement));
        at = item->words[f->word].end;
    }
    return pc_str_add(out, text + at, item->end - at);
}

static pc_status note(pc_json *corrections, const char *before, size_t before_length, const char *after, const char *evidence,
                      const pc_json *boxes)
{
    pc_json *entry = pc_json_new_object();
    pc_status status;
    PC_GO(pc_json_set(entry, "before", pc_json_new_text_n(before, before_length)));
    PC_GO(pc_json_set(entry, "after", pc_json_new_text(after)));
    PC_GO(pc_json_set(entry, "evidence", pc_json_new_text(evidence ? evidence : "")));
    PC_GO(pc_json_set(entry, "boxes", boxes ? pc_json_copy(boxes) : pc_json_new_array()));
    return pc_json_push(corrections, entry);
done:
    pc_json_free(entry);
    return status;
}

/* One sentence, of items [first, last). */
static pc_status write_sentence(pc_str *out, pc_json *corrections, const char *text, const pc_words *words, const fate *fates,
                                size_t first, size_t last)
{
    size_t kept = 0;
    const size_t start = out->length;
    for (size_t i = first; i < last; i++) {
        const pc_words_item *item = &words->items[i];
        const fate *f = &fates[i];
        if (!f->dropped) {
            PC_TRY(kept++ ? pc_str_puts(out, ", ") : start ? pc_str_putc(out, ' ') : PC_OK);
        }
        const size_t begin = out->length;
        PC_TRY(f->dropped ? PC_OK : write_item(out, text, item, f));
        if (f->dropped || f->number || f->word >= 0) {
            PC_TRY(note(corrections, text + item->begin, item->end - item->begin, f->dropped ? "" : out->data + begin, f->evidence,
                        f->boxes));
        }
        if (!f->dropped && kept == 1 && begin < out->length && isupper((unsigned char)text[words->items[first].begin])) {
            out->data[begin] = (char)toupper((unsigned char)out->data[begin]);
        }
    }
    return kept ? pc_str_putc(out, '.') : PC_OK;
}

/* A sentence in which nothing changes, with what lies between its items. */
static pc_status copy_sentence(pc_str *out, const char *text, const pc_words *words, size_t first, size_t last)
{
    const size_t begin = words->items[first].begin, end = words->items[last - 1].end;
    PC_TRY(out->length ? pc_str_putc(out, ' ') : PC_OK);
    PC_TRY(pc_str_add(out, text + begin, end - begin));
    return text[end] == '.' ? pc_str_putc(out, '.') : PC_OK;
}

static pc_status write_text(pc_str *out, pc_json *corrections, const char *text, const pc_words *words, const fate *fates)
{
    for (size_t first = 0, last; first < words->count; first = last) {
        bool changed = false;
        for (last = first; last < words->count && words->items[last].sentence == words->items[first].sentence; last++) {
            changed = changed || fates[last].dropped || fates[last].number || fates[last].word >= 0;
        }
        PC_TRY(changed ? write_sentence(out, corrections, text, words, fates, first, last)
                       : copy_sentence(out, text, words, first, last));
    }
    return PC_OK;
}

pc_status pc_rewrite_by_rules(pc_json *record)
{
    const char *text = pc_json_get_text(record, "text", "");
    const pc_json *concepts = pc_json_get(record, "concepts");
    fate fates[PC_WORDS_ITEMS];
    pc_words words;
    pc_str out = {0};
    pc_words_read(&words, text);
    for (size_t i = 0; i < words.count; i++) {
        fates[i] = (fate){.word = -1};
    }
    for (size_t i = 0; i < pc_json_length(concepts); i++) {
        judge_counts(record, &words, pc_json_at(concepts, i), fates);
    }
    for (size_t i = 0; i < words.count; i++) {
        judge_attributes(record, &words, i, text, &fates[i]);
    }
    /* What lies behind the items that are looked at stays as it is. */
    const size_t read = words.count == PC_WORDS_ITEMS ? words.items[words.count - 1].end : strlen(text);
    pc_status status = write_text(&out, pc_json_get(record, "corrections"), text, &words, fates);
    status = status == PC_OK ? pc_str_puts(&out, text + read) : status;
    status = status == PC_OK ? pc_json_set(record, "corrected", pc_json_new_text(out.data ? out.data : "")) : status;
    pc_str_clear(&out);
    return status;
}

/* --- by a language model --- */

/* The claims about concepts that a sentence names, and their boxes. */
static pc_status evidence_of(const pc_json *record, const char *sentence, pc_str *out, const pc_json **boxes)
{
    const pc_json *concepts = pc_json_get(record, "concepts"), *claims = pc_json_get(record, "claims");
    *boxes = NULL;
    for (size_t i = 0; i < pc_json_length(concepts); i++) {
        if (strcasestr(sentence, pc_json_get_text(pc_json_at(concepts, i), "name", "\n"))) {
            PC_TRY(pc_str_printf(out, "%s%s", out->length ? " " : "", pc_json_text(pc_json_at(claims, i))));
            *boxes = *boxes ? *boxes : pc_json_get(pc_json_at(concepts, i), "boxes");
        }
    }
    return PC_OK;
}

/* Sentences of the text that the new one doesn't have. */
static pc_status note_changes(pc_json *record, const char *text, const char *corrected)
{
    pc_json *corrections = pc_json_get(record, "corrections");
    for (const char *at = text; *at;) {
        const char *end = strstr(at, ". ");
        const size_t length = end ? (size_t)(end - at) + 1 : strlen(at);
        pc_str sentence = {0}, evidence = {0};
        const pc_json *boxes = NULL;
        pc_status status = pc_str_add(&sentence, at, length);
        if (status == PC_OK && length && !strstr(corrected, sentence.data)) {
            status = evidence_of(record, sentence.data, &evidence, &boxes);
            status = status == PC_OK ? note(corrections, sentence.data, length, corrected, evidence.data, boxes) : status;
        }
        pc_str_clear(&sentence);
        pc_str_clear(&evidence);
        PC_TRY(status);
        at += length;
        at += strspn(at, " ");
    }
    return PC_OK;
}

pc_status pc_rewrite_by_model(const pc_answerer *language, pc_json *record)
{
    const char *text = pc_json_get_text(record, "text", "");
    const pc_json *claims = pc_json_get(record, "claims");
    pc_str prompt = {0}, reply = {0};
    pc_status status;
    PC_GO(pc_str_puts(&prompt, "A description of a picture is to be put right by facts that were found in it. Take out what the facts "
                               "speak against, or change it to what they say; add no object that the description does not name; leave "
                               "every sentence that the facts do not speak against word for word as it is. Write the description "
                               "alone.\n\nFacts:\n"));
    for (size_t i = 0; i < pc_json_length(claims); i++) {
        PC_GO(pc_str_printf(&prompt, "- %s\n", pc_json_text(pc_json_at(claims, i))));
    }
    PC_GO(pc_str_printf(&prompt, "\nDescription: %s\n\nCorrected description:", text));
    PC_GO(pc_ask(language, NULL, prompt.data, MOST_WORDS, &reply));
    if (!reply.length) {
        PC_GO(pc_fail(PC_ERR_DATA, "%s: expected a corrected description, found nothing", language->name));
    }
    PC_GO(note_changes(record, text, reply.data));
    status = pc_json_set(record, "corrected", pc_json_new_text(reply.data));
done:
    pc_str_clear(&prompt);
    pc_str_clear(&reply);
    return status;
}
