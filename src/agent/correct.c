/* The five steps.
 *
 * Source: Yin et al. 2023 (arXiv:2310.16045), section 3; BradyFU/Woodpecker. Departures: the claims are written out without a model;
 * the rules that stand in for a language model change lists of things alone, and only where a look speaks against the text:
 *
 *   a concept that is not there      its items go
 *   fewer of it than items say       its last items go (what stands late in a description is made up most often)
 *   one of it, another attribute     the word is put right
 */
#include "agent/correct.h"

#include "agent/ask.h"
#include "agent/detect.h"
#include "agent/rewrite.h"
#include "agent/words.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MOST_WORDS = 512, MOST_ANSWER = 48 };

static pc_status push_text(pc_json *array, const char *text, size_t length)
{
    return pc_json_push(array, pc_json_new_text_n(text, length));
}

static pc_status set_array(pc_json *object, const char *key, pc_json **out)
{
    PC_TRY(pc_json_set(object, key, pc_json_new_array()));
    *out = pc_json_get(object, key);
    return PC_OK;
}

static const char *text_of(const pc_json *record)
{
    return pc_json_get_text(record, "text", "");
}

/* --- 1: concepts --- */

static bool is_known(const pc_json *concepts, const char *name)
{
    for (size_t i = 0; i < pc_json_length(concepts); i++) {
        if (strcasecmp(pc_json_get_text(pc_json_at(concepts, i), "name", ""), name) == 0) {
            return true;
        }
    }
    return false;
}

static pc_status add_concept(pc_json *concepts, const char *name, size_t length)
{
    char lower[PC_WORDS_CONCEPT];
    snprintf(lower, sizeof lower, "%.*s", (int)length, name);
    if (!lower[0] || is_known(concepts, lower)) {
        return PC_OK;
    }
    pc_json *concept = pc_json_new_object();
    pc_status status = pc_json_set(concept, "name", pc_json_new_text(lower));
    if (status != PC_OK) {
        pc_json_free(concept);
        return status;
    }
    return pc_json_push(concepts, concept);
}

static pc_status concepts_by_rules(const char *text, pc_json *concepts)
{
    pc_words words;
    pc_words_read(&words, text);
    for (size_t i = 0; i < words.count; i++) {
        PC_TRY(add_concept(concepts, words.items[i].concept, strlen(words.items[i].concept)));
    }
    return PC_OK;
}

static pc_status concepts_by_model(const pc_corrector *c, const char *text, pc_json *concepts)
{
    pc_str prompt = {0}, reply = {0};
    pc_status status;
    PC_GO(pc_str_printf(&prompt, "Which physical objects does this description of a picture say to be there? Name each once, in the "
                                 "singular, separated by full stops. Leave out scenes, feelings and guesses. Write None if there "
                                 "are none.\n\nDescription: %s\n\nObjects:", text));
    PC_GO(pc_ask(c->language, NULL, prompt.data, MOST_WORDS, &reply));
    for (char *rest = reply.data, *name; rest && (name = strsep(&rest, ".\n"));) {
        name += strspn(name, " \t");
        if (*name && strncasecmp(name, "none", 4) != 0) {
            PC_GO(add_concept(concepts, name, strlen(name)));
        }
    }
done:
    pc_str_clear(&prompt);
    pc_str_clear(&reply);
    return status;
}

pc_status pc_correct_concepts(const pc_corrector *c, pc_json *record)
{
    pc_json *concepts;
    PC_TRY(set_array(record, "concepts", &concepts));
    return c->language ? concepts_by_model(c, text_of(record), concepts) : concepts_by_rules(text_of(record), concepts);
}

/* --- 2: questions --- */

static pc_status add_question(pc_json *questions, const char *question, const char *concept)
{
    for (size_t i = 0; i < pc_json_length(questions); i++) {
        if (strcmp(pc_json_get_text(pc_json_at(questions, i), "question", ""), question) == 0) {
            return PC_OK;
        }
    }
    pc_json *entry = pc_json_new_object();
    pc_status status = pc_json_set(entry, "question", pc_json_new_text(question));
    status = status == PC_OK ? pc_json_set(entry, "concept", pc_json_new_text(concept)) : status;
    if (status != PC_OK) {
        pc_json_free(entry);
        return status;
    }
    return pc_json_push(questions, entry);
}

/* An attribute that is no part of the concept's own name. */
static pc_status questions_by_rules(const char *text, pc_json *questions)
{
    pc_words words;
    pc_words_read(&words, text);
    for (size_t i = 0; i < words.count; i++) {
        const pc_words_item *item = &words.items[i];
        for (int w = 0; w + 2 < item->word_count; w++) {
            const char *pattern = pc_words_question(text, item->words[w].begin, item->words[w].end);
            pc_str question = {0};
            if (!pattern) {
                continue;
            }
            const char *hole = strstr(pattern, "%s");
            pc_status status = pc_str_printf(&question, "%.*s%s%s", (int)(hole - pattern), pattern, item->concept, hole + 2);
            status = status == PC_OK ? add_question(questions, question.data, item->concept) : status;
            pc_str_clear(&question);
            PC_TRY(status);
        }
    }
    return PC_OK;
}

static pc_status questions_by_model(const pc_corrector *c, const pc_json *record, pc_json *questions)
{
    const pc_json *concepts = pc_json_get(record, "concepts");
    pc_str prompt = {0}, reply = {0};
    pc_status status;
    PC_GO(pc_str_printf(&prompt, "Here is a description of a picture, and the objects in it. Write questions by which somebody who sees "
                                 "the picture could check what the description says of these objects: colours, materials, actions, "
                                 "where they are. Do not ask whether an object is there or how many there are, and leave out what the "
                                 "description calls uncertain. One question a line, then &, then the object it is about. Write None if "
                                 "there is nothing to ask.\n\nDescription: %s\n\nObjects:", text_of(record)));
    for (size_t i = 0; i < pc_json_length(concepts); i++) {
        PC_GO(pc_str_printf(&prompt, "%s%s", i ? ". " : " ", pc_json_get_text(pc_json_at(concepts, i), "name", "")));
    }
    PC_GO(pc_str_puts(&prompt, "\n\nQuestions:"));
    PC_GO(pc_ask(c->language, NULL, prompt.data, MOST_WORDS, &reply));
    for (char *rest = reply.data, *line; rest && (line = strsep(&rest, "\n"));) {
        char *concept = strchr(line, '&');
        if (!concept) {
            continue;
        }
        *concept++ = '\0';
        concept += strspn(concept, " \t");
        if (is_known(concepts, concept)) {
            PC_GO(add_question(questions, line, concept));
        }
    }
done:
    pc_str_clear(&prompt);
    pc_str_clear(&reply);
    return status;
}

pc_status pc_correct_questions(const pc_corrector *c, pc_json *record)
{
    pc_json *questions;
    PC_TRY(set_array(record, "questions", &questions));
    return c->language ? questions_by_model(c, record, questions) : questions_by_rules(text_of(record), questions);
}

/* --- 3: looks --- */

static pc_json *concept_named(const pc_json *record, const char *name)
{
    pc_json *concepts = pc_json_get(record, "concepts");
    for (size_t i = 0; i < pc_json_length(concepts); i++) {
        if (strcasecmp(pc_json_get_text(pc_json_at(concepts, i), "name", ""), name) == 0) {
            return pc_json_at(concepts, i);
        }
    }
    return NULL;
}

/* One answer of the whole picture, or, where a detector found boxes, one of each box. */
static pc_status answer_question(const pc_corrector *c, const pc_answer_media *picture, const pc_json *record, pc_json *entry)
{
    const char *question = pc_json_get_text(entry, "question", "");
    const pc_json *concept = concept_named(record, pc_json_get_text(entry, "concept", ""));
    const pc_json *boxes = pc_json_get(concept, "boxes");
    const bool crops = c->style == PC_DETECT_BOXES && pc_json_length(boxes) > 0 && strncasecmp(question, "where", 5) != 0;
    pc_json *answers;
    PC_TRY(set_array(entry, "answers", &answers));
    for (size_t i = 0; i < (crops ? pc_json_length(boxes) : 1); i++) {
        pc_str reply = {0};
        pc_json *answer = pc_json_new_object();
        pc_status status = crops ? pc_detect_ask_crop(c->vqa, picture, pc_json_at(boxes, i), question, MOST_ANSWER, &reply)
                                 : pc_ask(c->vqa, picture, question, MOST_ANSWER, &reply);
        status = status == PC_OK ? pc_json_set(answer, "answer", pc_json_new_text(reply.data ? reply.data : "")) : status;
        if (status == PC_OK && crops) {
            status = pc_json_set(answer, "box", pc_json_copy(pc_json_at(boxes, i)));
        }
        pc_str_clear(&reply);
        if (status != PC_OK) {
            pc_json_free(answer);
            return status;
        }
        PC_TRY(pc_json_push(answers, answer));
    }
    return PC_OK;
}

pc_status pc_correct_look(const pc_corrector *c, const pc_answer_media *picture, pc_json *record)
{
    pc_json *concepts = pc_json_get(record, "concepts"), *questions = pc_json_get(record, "questions");
    for (size_t i = 0; i < pc_json_length(concepts); i++) {
        PC_TRY(pc_detect(c, picture, pc_json_at(concepts, i)));
    }
    for (size_t i = 0; i < pc_json_length(questions); i++) {
        const pc_json *concept = concept_named(record, pc_json_get_text(pc_json_at(questions, i), "concept", ""));
        if (pc_json_get_integer(concept, "count", 0) > 0) { /* nothing can be said of what is not there */
            PC_TRY(answer_question(c, picture, record, pc_json_at(questions, i)));
        }
    }
    return PC_OK;
}

/* --- 4: claims --- */

static pc_status add_boxes(pc_str *out, const pc_json *boxes)
{
    for (size_t i = 0; i < pc_json_length(boxes); i++) {
        const pc_json *box = pc_json_at(boxes, i);
        PC_TRY(pc_str_printf(out, "%s[%.3f, %.3f, %.3f, %.3f]", i ? "; " : ": ", pc_json_number(pc_json_at(box, 0), 0),
                             pc_json_number(pc_json_at(box, 1), 0), pc_json_number(pc_json_at(box, 2), 0),
                             pc_json_number(pc_json_at(box, 3), 0)));
    }
    return PC_OK;
}

static pc_status claim_of_concept(pc_json *claims, const pc_json *concept)
{
    const char *name = pc_json_get_text(concept, "name", "");
    const long long count = (long long)pc_json_get_integer(concept, "count", 0);
    char plural[PC_WORDS_CONCEPT + 2];
    pc_str claim = {0};
    pc_words_plural(name, plural, sizeof plural);
    pc_status status = count == 0   ? pc_str_printf(&claim, "There is no %s", name)
                       : count == 1 ? pc_str_printf(&claim, "There is one %s", name)
                                    : pc_str_printf(&claim, "There are %lld %s", count, plural);
    status = status == PC_OK ? add_boxes(&claim, pc_json_get(concept, "boxes")) : status;
    status = status == PC_OK ? pc_str_putc(&claim, '.') : status;
    status = status == PC_OK ? push_text(claims, claim.data, claim.length) : status;
    pc_str_clear(&claim);
    return status;
}

pc_status pc_correct_claims(pc_json *record)
{
    pc_json *claims, *concepts = pc_json_get(record, "concepts"), *questions = pc_json_get(record, "questions");
    PC_TRY(set_array(record, "claims", &claims));
    for (size_t i = 0; i < pc_json_length(concepts); i++) {
        PC_TRY(claim_of_concept(claims, pc_json_at(concepts, i)));
    }
    for (size_t i = 0; i < pc_json_length(questions); i++) {
        const pc_json *entry = pc_json_at(questions, i), *answers = pc_json_get(entry, "answers");
        for (size_t k = 0; k < pc_json_length(answers); k++) {
            pc_str claim = {0};
            pc_status status = pc_str_printf(&claim, "%s: %s %s", pc_json_get_text(entry, "concept", ""),
                                             pc_json_get_text(entry, "question", ""),
                                             pc_json_get_text(pc_json_at(answers, k), "answer", ""));
            status = status == PC_OK ? push_text(claims, claim.data, claim.length) : status;
            pc_str_clear(&claim);
            PC_TRY(status);
        }
    }
    return PC_OK;
}

/* --- 5: the text --- */

pc_status pc_correct_text(const pc_corrector *c, pc_json *record)
{
    pc_json *corrections;
    PC_TRY(set_array(record, "corrections", &corrections));
    return c->language ? pc_rewrite_by_model(c->language, record) : pc_rewrite_by_rules(record);
}

pc_status pc_correct(const pc_corrector *c, const pc_answer_media *picture, const char *text, pc_json **record)
{
    pc_json *out = pc_json_new_object();
    pc_status status;
    *record = NULL;
    PC_GO(pc_json_set(out, "text", pc_json_new_text(text)));
    PC_GO(pc_correct_concepts(c, out));
    PC_GO(pc_correct_questions(c, out));
    PC_GO(pc_correct_look(c, picture, out));
    PC_GO(pc_correct_claims(out));
    PC_GO(pc_correct_text(c, out));
    *record = out;
    return PC_OK;
done:
    pc_json_free(out);
    return status;
}
