/* The loop over questions. Answers are greedy, or drawn with the same seed in every run, so that it can be repeated. */
#include "eval/tally.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/signal.h"
#include "base/str.h"
#include "eval/samples.h"
#include "media/decode.h"
#include "prompt/match.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { USUAL_TOKENS = 128, BLANK = 128 };

/* One question in the making: a copy of it, what is said, and the answer. */
typedef struct held {
    pc_task_question question; /* texts are its own */
    pc_image *image;
    pc_json *fields, *choice_texts;
    pc_conversation conversation;
    pc_answer_media media[PC_SHOTS_MOST + 1]; /* the examples' pictures, then the question's */
    size_t media_count;
    const char **choices; /* NULL-terminated */
    size_t choice_room;
    pc_image *blank; /* stands for the picture */
} held;

typedef struct scoring {
    pc_tally *out;
    const pc_answerer *answerer;
    const pc_tally_options *options;
    const pc_task *task;
    held *held;     /* [batch] */
    pc_answer_request *requests; /* [batch] */
    pc_answer *answers;          /* [batch] */
    size_t batch, count;         /* count: held now */
    pc_samples *samples; /* NULL: no file */
} scoring;

double pc_tally_accuracy(int64_t right, int64_t asked)
{
    return asked ? (double)right / (double)asked : 0;
}

double pc_tally_error(int64_t right, int64_t asked)
{
    double p = pc_tally_accuracy(right, asked);
    return asked > 1 ? sqrt(p * (1 - p) / (double)(asked - 1)) : 0;
}

void pc_tally_interval(int64_t right, int64_t asked, double out[2])
{
    static const double Z = 1.959963984540054;
    double n = (double)asked, p = pc_tally_accuracy(right, asked);
    out[0] = 0;
    out[1] = 1;
    if (asked) {
        double centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n);
        double half = Z / (1 + Z * Z / n) * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n));
        out[0] = fmax(0, centre - half);
        out[1] = fmin(1, centre + half);
    }
}

/* --- pictures --- */

static pc_status make_blank(held *q, int width, int height)
{
    pc_image_free(q->blank);
    q->blank = NULL;
    PC_TRY(pc_image_new(&q->blank, width, height));
    memset(q->blank->pixels, BLANK, (size_t)width * (size_t)height * 3);
    return PC_OK;
}

/* What the model is shown in place of the question's picture. */
static pc_status blind(held *q)
{
    pc_image *image = NULL;
    if (q->image) {
        PC_TRY(make_blank(q, q->image->width, q->image->height));
    } else {
        PC_TRY(pc_image_load(&image, q->question.path, NULL));
        pc_status status = make_blank(q, image->width, image->height);
        pc_image_free(image);
        PC_TRY(status);
    }
    q->media[q->media_count - 1].image = q->blank;
    return PC_OK;
}

/* --- one question --- */

static void drop(held *q)
{
    pc_free((char *)q->question.kind);
    pc_free((char *)q->question.question);
    pc_free((char *)q->question.answer);
    pc_free((char *)q->question.path);
    pc_image_free(q->image);
    pc_json_free(q->fields);
    pc_json_free(q->choice_texts);
    q->question = (pc_task_question){0};
    q->image = NULL;
    q->fields = q->choice_texts = NULL;
}

/* What the task lends lives only until its next question. */
static pc_status keep(held *q, const pc_task_question *question)
{
    pc_task_question *own = &q->question;
    drop(q);
    memcpy(own->id, question->id, sizeof own->id);
    own->kind = pc_strdup(question->kind ? question->kind : "");
    own->question = pc_strdup(question->question);
    own->answer = pc_strdup(question->answer);
    own->path = question->path ? pc_strdup(question->path) : NULL;
    if (!own->kind || !own->question || !own->answer || (question->path && !own->path)) {
        return pc_fail_memory(0, "a question");
    }
    PC_TRY(question->image ? pc_image_copy(&q->image, question->image) : PC_OK);
    q->fields = question->fields ? pc_json_copy(question->fields) : NULL;
    q->choice_texts = question->choices ? pc_json_copy(question->choices) : NULL;
    own->image = q->image;
    own->fields = q->fields;
    own->choices = q->choice_texts;
    return (question->fields && !q->fields) || (question->choices && !q->choice_texts) ? pc_fail_memory(0, "a question") : PC_OK;
}

/* A turn of question and answer; its picture is the next of the request. */
static pc_status show(held *q, const pc_shot *shot)
{
    PC_TRY(pc_conversation_begin(&q->conversation, PC_ROLE_USER));
    if (shot->image || shot->path) {
        q->media[q->media_count] = (pc_answer_media){.kind = PC_MEDIA_IMAGE, .image = shot->image, .path = shot->path};
        PC_TRY(pc_conversation_add_media(&q->conversation, PC_MEDIA_IMAGE, (int)q->media_count++));
    }
    PC_TRY(pc_conversation_add_text(&q->conversation, shot->question, strlen(shot->question)));
    return pc_conversation_say(&q->conversation, PC_ROLE_ASSISTANT, shot->answer);
}

static pc_status show_all(const pc_tally_options *options, held *q)
{
    const pc_shot *chosen[PC_SHOTS_MOST];
    PC_TRY(pc_shots_choose(options->shots, &q->question, chosen));
    for (size_t i = 0; i < pc_shots_count(options->shots); i++) {
        PC_TRY(show(q, chosen[i]));
    }
    return PC_OK;
}

static pc_status converse(const pc_tally_options *options, held *q)
{
    const pc_task_question *question = &q->question;
    q->media_count = 0;
    pc_conversation_clear(&q->conversation);
    if (options->system) {
        PC_TRY(pc_conversation_say(&q->conversation, PC_ROLE_SYSTEM, options->system));
    }
    PC_TRY(options->shots ? show_all(options, q) : PC_OK);
    PC_TRY(pc_conversation_begin(&q->conversation, PC_ROLE_USER));
    if (question->image || question->path) {
        q->media[q->media_count] = (pc_answer_media){.kind = PC_MEDIA_IMAGE, .image = question->image, .path = question->path};
        PC_TRY(pc_conversation_add_media(&q->conversation, PC_MEDIA_IMAGE, (int)q->media_count++));
    }
    PC_TRY(pc_conversation_add_text(&q->conversation, question->question, strlen(question->question)));
    return options->blank_images && (question->image || question->path) ? blind(q) : PC_OK;
}

static pc_status list_choices(held *q)
{
    size_t count = pc_json_length(q->choice_texts);
    PC_TRY(pc_grow(&q->choices, &q->choice_room, count + 1, sizeof *q->choices, "choices"));
    for (size_t i = 0; i < count; i++) {
        q->choices[i] = pc_json_text(pc_json_at(q->choice_texts, i));
    }
    q->choices[count] = NULL;
    return PC_OK;
}

static pc_status make_request(const pc_tally_options *options, held *q, pc_answer_request *out)
{
    PC_TRY(converse(options, q));
    *out = (pc_answer_request){
        .conversation = &q->conversation,
        .media = q->media,
        .media_count = q->media_count,
        .max_tokens = options->max_tokens ? options->max_tokens : USUAL_TOKENS,
        .temperature = options->temperature,
    };
    if (q->choice_texts) {
        PC_TRY(list_choices(q));
        out->choices = q->choices;
        out->open_choices = true;
    }
    return PC_OK;
}

/* All questions that are held. */
static pc_status ask(scoring *s)
{
    const pc_answerer *who = s->answerer;
    for (size_t i = 0; i < s->count; i++) {
        PC_TRY(make_request(s->options, &s->held[i], &s->requests[i]));
        pc_answer_clear(&s->answers[i]);
    }
    PC_TRY(s->count > 1 ? who->answer_many(who->self, s->requests, s->answers, s->count)
                        : who->answer(who->self, s->requests, s->answers));
    for (size_t i = 0; i < s->count; i++) {
        if (s->answers[i].end == PC_ANSWER_CANCELLED) {
            return pc_fail(PC_ERR_INTERRUPTED, "stopped after %lld questions", (long long)s->out->asked);
        }
    }
    return PC_OK;
}

static pc_tally_kind *find_kind(pc_tally *score, const char *name)
{
    char cut[sizeof score->kinds[0].name];
    snprintf(cut, sizeof cut, "%s", name);
    for (int i = 0; i < score->kind_count; i++) {
        if (strcmp(score->kinds[i].name, cut) == 0) {
            return &score->kinds[i];
        }
    }
    if (score->kind_count == PC_TALLY_KINDS) {
        return NULL;
    }
    pc_tally_kind *kind = &score->kinds[score->kind_count++];
    memcpy(kind->name, cut, sizeof cut);
    return kind;
}

static void count(pc_tally *score, const char *kind_name, bool cut, bool right)
{
    pc_tally_kind *kind = kind_name[0] ? find_kind(score, kind_name) : NULL;
    score->asked++;
    score->right += right;
    score->cut += cut;
    if (kind) {
        kind->asked++;
        kind->right += right;
    }
}

static pc_status add_fields(pc_json *json, const pc_json *fields)
{
    for (void *it = fields ? pc_json_first(fields) : NULL; it; it = pc_json_next(fields, it)) {
        if (!pc_json_get(json, pc_json_key(it))) {
            PC_TRY(pc_json_set(json, pc_json_key(it), pc_json_copy(pc_json_value(it))));
        }
    }
    return PC_OK;
}

static pc_status add_likelihoods(pc_json *json, const pc_task_question *question, const pc_answer *answer)
{
    pc_json *list = pc_json_new_array();
    PC_TRY(pc_json_set(json, "log_probabilities", list));
    for (size_t i = 0; i < pc_json_length(question->choices); i++) {
        PC_TRY(pc_json_push(list, pc_json_new_number(answer->choices[i].log_probability)));
    }
    return PC_OK;
}

static pc_status begin_sample(pc_json *json, const pc_task_question *question)
{
    const struct {
        const char *key, *text;
    } texts[] = {{"id", question->id},         {"kind", question->kind},
                 {"question", question->question}, {"truth", question->answer}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        PC_TRY(pc_json_set(json, texts[i].key, pc_json_new_text(texts[i].text)));
    }
    return PC_OK;
}

/* text NULL: there is no answer, `failure` says why. */
static pc_status make_sample(pc_json **out, const pc_task_question *question, const pc_answer *answer, const char *text, bool right,
                             const char *failure)
{
    bool cut = text && answer->end == PC_ANSWER_LENGTH;
    pc_json *json = pc_json_new_object();
    pc_status status;
    PC_GO(begin_sample(json, question));
    PC_GO(text ? pc_json_set(json, "answer", pc_json_new_text(text)) : pc_json_set(json, "failed", pc_json_new_text(failure)));
    PC_GO(text && answer->steps.length ? pc_json_set(json, "steps", pc_json_new_text(answer->steps.data)) : PC_OK);
    PC_GO(text ? pc_json_set(json, "right", pc_json_new_bool(right)) : PC_OK);
    PC_GO(cut ? pc_json_set(json, "cut", pc_json_new_bool(true)) : PC_OK);
    PC_GO(text && question->choices && answer->choices ? add_likelihoods(json, question, answer) : PC_OK);
    PC_GO(add_fields(json, question->fields));
    *out = json;
    return PC_OK;
done:
    pc_json_free(json);
    return status;
}

static pc_status judge(const pc_task *task, const char *answer, const char *truth, bool *right)
{
    return task->judge ? task->judge(answer, truth, right) : pc_match_exact(answer, truth, right);
}

/* Count the answer that a file holds for this question. */
static pc_status take_old(scoring *s, const pc_task_question *question, const pc_json *old)
{
    bool right;
    const char *answer = pc_json_get_text(old, "answer", NULL), *failure = pc_json_get_text(old, "failed", NULL);
    if ((!answer && !failure) || strcmp(pc_json_get_text(old, "id", ""), question->id) != 0 ||
        strcmp(pc_json_get_text(old, "question", ""), question->question) != 0 ||
        strcmp(pc_json_get_text(old, "truth", ""), question->answer) != 0) {
        return pc_fail(PC_ERR_DATA, "%s: expected question %s of this task; give another --output_path or remove the file",
                       pc_samples_where(s->samples), question->id);
    }
    s->out->resumed++;
    if (!answer) {
        s->out->failed++;
        return PC_OK;
    }
    PC_TRY(judge(s->task, answer, question->answer, &right));
    count(s->out, question->kind, pc_json_get_bool(old, "cut", false), right);
    return s->options->kept ? pc_json_push(s->options->kept, pc_json_copy(old)) : PC_OK;
}

/* The newest failure is the question's; it counts nowhere. */
static pc_status note_failure(scoring *s, const pc_task_question *question)
{
    char failure[256];
    pc_json *sample = NULL;
    snprintf(failure, sizeof failure, "%.*s", (int)pc_utf8_valid_prefix(pc_error(), strnlen(pc_error(), 200)), pc_error());
    pc_log(PC_LOG_WARNING, "question %s has no answer: %s", question->id, failure);
    pc_error_clear();
    s->out->failed++;
    PC_TRY(make_sample(&sample, question, NULL, NULL, false, failure));
    pc_status status = s->samples ? pc_samples_append(s->samples, sample) : PC_OK;
    pc_json_free(sample);
    return status;
}

static pc_status take_new(scoring *s, const pc_task_question *question, const pc_answer *answer)
{
    bool right;
    pc_json *sample = NULL;
    pc_status status = PC_OK;
    const char *text = answer->text.data ? answer->text.data : "";
    bool cut = answer->end == PC_ANSWER_LENGTH;
    PC_TRY(judge(s->task, text, question->answer, &right));
    count(s->out, question->kind, cut, right);
    if (s->samples || s->options->kept) {
        PC_TRY(make_sample(&sample, question, answer, text, right, NULL));
    }
    PC_GO(s->samples ? pc_samples_append(s->samples, sample) : PC_OK);
    if (s->options->kept) {
        pc_json *given = sample;
        sample = NULL;
        PC_GO(pc_json_push(s->options->kept, given));
    }
    if (s->options->on_sample) {
        s->options->on_sample(s->options->user, s->out->asked, s->out->right);
    }
done:
    pc_json_free(sample);
    return status;
}

static pc_status ask_held(scoring *s);

/* One of several has failed: each is asked alone, so that the others get their answers. */
static pc_status ask_each(scoring *s)
{
    size_t count = s->count;
    for (size_t i = 0; i < count; i++) {
        held first = s->held[0];
        s->held[0] = s->held[i];
        s->held[i] = first;
        s->count = 1;
        PC_TRY(ask_held(s));
    }
    return PC_OK;
}

/* Ask what is held and take the answers in order. */
static pc_status ask_held(scoring *s)
{
    pc_status status = s->count ? ask(s) : PC_OK;
    bool failed = status == PC_ERR_IO || status == PC_ERR_DATA;
    if (failed && s->count > 1) {
        return ask_each(s);
    }
    if (failed && s->out->failed < s->options->max_failures) {
        s->count = 0;
        return note_failure(s, &s->held[0].question);
    }
    if (failed) {
        return pc_fail_prefix(status, "question %s", s->held[0].question.id);
    }
    PC_TRY(status);
    for (size_t i = 0; i < s->count; i++) {
        PC_TRY(take_new(s, &s->held[i].question, &s->answers[i]));
    }
    s->count = 0;
    return PC_OK;
}

/* --- the loop --- */

static pc_status ask_all(scoring *s, const pc_task *task, void *state)
{
    int64_t limit = s->options->limit ? s->options->limit : task->usual_limit;
    while (!limit || s->out->asked + s->out->failed + (int64_t)s->count < limit) {
        pc_task_question question;
        bool have;
        PC_TRY(task->next(state, &question, &have));
        if (!have) {
            break;
        }
        const pc_json *old = s->samples ? pc_samples_next(s->samples) : NULL;
        if (old) {
            PC_TRY(take_old(s, &question, old));
            continue;
        }
        PC_TRY(keep(&s->held[s->count++], &question));
        PC_TRY(s->count == s->batch ? ask_held(s) : PC_OK);
    }
    PC_TRY(ask_held(s));
    return s->samples && pc_samples_next(s->samples)
               ? pc_fail(PC_ERR_DATA, "%s: more answers than questions; give another --output_path or remove the file",
                         pc_samples_where(s->samples))
               : PC_OK;
}

static pc_status get_ready(scoring *s)
{
    size_t wanted = s->options->batch > 0 ? (size_t)s->options->batch : 1;
    s->batch = !s->answerer->answer_many ? 1 : wanted < s->answerer->most ? wanted : s->answerer->most;
    PC_TRY(PC_NEW_ARRAY(s->held, s->batch, "questions"));
    PC_TRY(PC_NEW_ARRAY(s->requests, s->batch, "questions"));
    return PC_NEW_ARRAY(s->answers, s->batch, "questions");
}

static void let_go(scoring *s)
{
    for (size_t i = 0; i < s->batch; i++) {
        if (s->held) {
            held *q = &s->held[i];
            drop(q);
            pc_conversation_clear(&q->conversation);
            pc_image_free(q->blank);
            pc_free(q->choices);
        }
        if (s->answers) {
            pc_answer_clear(&s->answers[i]);
        }
    }
    pc_free(s->held);
    pc_free(s->requests);
    pc_free(s->answers);
}

pc_status pc_tally_task(pc_tally *out, const pc_answerer *answerer, const pc_task *task,
                        const pc_task_options *task_options, const pc_tally_options *options)
{
    scoring s = {.out = out, .answerer = answerer, .options = options, .task = task};
    void *state = NULL;
    pc_status status;
    *out = (pc_tally){0};
    PC_GO(get_ready(&s));
    PC_GO(task->open(&state, task_options));
    PC_GO(options->samples ? pc_samples_open(&s.samples, options->samples) : PC_OK);
    PC_GO(ask_all(&s, task, state));
done:;
    pc_status closed = pc_samples_close(s.samples);
    status = status == PC_OK ? closed : status;
    if (state) {
        task->close(state);
    }
    let_go(&s);
    return status;
}

/* --- JSON --- */

static pc_status set_counts(pc_json *into, int64_t right, int64_t asked)
{
    PC_TRY(pc_json_set(into, "accuracy", pc_json_new_number(pc_tally_accuracy(right, asked))));
    PC_TRY(pc_json_set(into, "stderr", pc_json_new_number(pc_tally_error(right, asked))));
    double interval[2];
    pc_tally_interval(right, asked, interval);
    pc_json *both = pc_json_new_array();
    PC_TRY(pc_json_set(into, "interval", both));
    PC_TRY(pc_json_push(both, pc_json_new_number(interval[0])));
    PC_TRY(pc_json_push(both, pc_json_new_number(interval[1])));
    PC_TRY(pc_json_set(into, "right", pc_json_new_integer(right)));
    return pc_json_set(into, "asked", pc_json_new_integer(asked));
}

pc_status pc_tally_to_json(const pc_tally *score, pc_json **out)
{
    pc_json *json = pc_json_new_object();
    pc_status status;
    PC_GO(set_counts(json, score->right, score->asked));
    PC_GO(pc_json_set(json, "cut", pc_json_new_integer(score->cut)));
    PC_GO(score->failed ? pc_json_set(json, "failed", pc_json_new_integer(score->failed)) : PC_OK);
    pc_json *kinds = pc_json_new_object();
    PC_GO(pc_json_set(json, "kinds", kinds));
    for (int i = 0; i < score->kind_count; i++) {
        const pc_tally_kind *kind = &score->kinds[i];
        pc_json *one = pc_json_new_object();
        PC_GO(pc_json_set(kinds, kind->name, one));
        PC_GO(set_counts(one, kind->right, kind->asked));
    }
done:
    if (status != PC_OK) {
        pc_json_free(json);
        json = NULL;
    }
    *out = json;
    return status;
}
