#include "instruct/adapt.h"

#include "base/file.h"
#include "base/log.h"
#include "data/dataset.h"
#include "instruct/adapt_internal.h"
#include "instruct/llava_row.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PC_ADAPT_TASK(name) extern const pc_adapt_task pc_adapt_##name;
#include "instruct/task/list.h"
#undef PC_ADAPT_TASK

#define PC_ADAPT_TASK(name) &pc_adapt_##name,
static const pc_adapt_task *const tasks[] = {
#include "instruct/task/list.h"
};
#undef PC_ADAPT_TASK

enum { TASKS = sizeof tasks / sizeof *tasks };
enum { LABELS_MAX = 100 /* that a question names */ };
_Static_assert((int)TASKS <= (int)PC_ADAPT_TASKS, "pc_adapt_counts has room for every task");

static const uint64_t TEXT_STREAM = UINT64_C(1) << 63;

int pc_adapt_task_count(void)
{
    return TASKS;
}

const char *pc_adapt_task_name(int task)
{
    return tasks[task]->name;
}

const char *pc_adapt_task_help(int task)
{
    return tasks[task]->help;
}

/* --- saying --- */

static pc_status add_said(pc_adapting *a, const char *question, const char *answer, pc_polarity polarity, bool ordered)
{
    static const char mark[] = "<image>";
    if (strstr(question, mark) || strstr(answer, mark)) {
        a->counts->marked++;
        return PC_OK;
    }
    PC_TRY(pc_grow(&a->said, &a->said_room, a->said_count + 1, sizeof *a->said, "exchanges"));
    pc_said *said = &a->said[a->said_count++];
    *said = (pc_said){.task = a->task, .polarity = polarity, .ordered = ordered};
    said->question = pc_arena_strdup(&a->arena, question);
    said->answer = pc_arena_strdup(&a->arena, answer);
    return said->question && said->answer ? PC_OK : pc_fail_memory(0, "an exchange");
}

static bool enough(const pc_adapting *a, pc_polarity polarity)
{
    size_t same = 0;
    if (tasks[a->task]->given) {
        return false;
    }
    for (size_t i = a->said_before; i < a->said_count; i++) {
        same += a->said[i].polarity == polarity;
    }
    return same >= (size_t)a->options->most;
}

/* A template that opens with a variable would begin in lower case. */
static void capitalise(pc_str *text, size_t from)
{
    text->data[from] = (char)toupper((unsigned char)text->data[from]);
}

static pc_status fill_in(pc_adapting *a, const pc_pool_texts *texts, pc_form form, pc_polarity polarity, const pc_variable *variables)
{
    pc_str question = {0}, answer = {0};
    pc_status status;
    PC_GO(pc_pool_fill(&question, texts->ask[pc_rng_below(&a->rng, texts->ask_count)], variables));
    const char *said = texts->answer_count ? texts->answer[pc_rng_below(&a->rng, texts->answer_count)] : "{answer}";
    PC_GO(pc_pool_fill(&answer, said, variables));
    if (question.length && answer.length) {
        capitalise(&question, 0);
        if (form == PC_FORM_LONG) {
            capitalise(&answer, 0);
        }
        status = add_said(a, question.data, answer.data, polarity, false);
    }
done:
    pc_str_clear(&question);
    pc_str_clear(&answer);
    return status;
}

pc_status pc_adapt_say(pc_adapting *a, const char *pool, pc_polarity polarity, const pc_variable *variables)
{
    const pc_pool_texts *forms[PC_FORMS];
    int form = a->options->form;
    for (int f = 0; f < PC_FORMS; f++) {
        forms[f] = pc_pools_find(a->pools, pool, (pc_form)f);
    }
    if (form == PC_ANSWERS_BOTH) {
        int drawn = (int)pc_rng_below(&a->rng, PC_FORMS);
        form = forms[drawn] ? drawn : !drawn;
    }
    return forms[form] && !enough(a, polarity) ? fill_in(a, forms[form], (pc_form)form, polarity, variables) : PC_OK;
}

pc_status pc_adapt_say_as(pc_adapting *a, const char *pool, pc_form form, const pc_variable *variables)
{
    const pc_pool_texts *texts = pc_pools_find(a->pools, pool, form);
    bool wanted = a->options->form == PC_ANSWERS_BOTH || a->options->form == (int)form;
    return texts && wanted && !enough(a, PC_POLARITY_NONE) ? fill_in(a, texts, form, PC_POLARITY_NONE, variables) : PC_OK;
}

pc_status pc_adapt_repeat(pc_adapting *a, const char *question, const char *answer)
{
    return add_said(a, question, answer, PC_POLARITY_NONE, true);
}

/* --- a picture --- */

/* Of the kind that is more frequent, drawn ones go until there are as many of each. */
static void balance(pc_adapting *a)
{
    size_t count[3] = {0};
    for (size_t i = 0; i < a->said_count; i++) {
        count[a->said[i].polarity]++;
    }
    pc_polarity more = count[PC_POLARITY_POSITIVE] > count[PC_POLARITY_NEGATIVE] ? PC_POLARITY_POSITIVE : PC_POLARITY_NEGATIVE;
    size_t less = count[PC_POLARITY_POSITIVE] + count[PC_POLARITY_NEGATIVE] - count[more];
    for (; count[more] > less; count[more]--) {
        size_t wanted = (size_t)pc_rng_below(&a->rng, count[more]), i = 0;
        for (; a->said[i].polarity != more || wanted-- > 0; i++) {
        }
        memmove(a->said + i, a->said + i + 1, (a->said_count - i - 1) * sizeof *a->said);
        a->said_count--;
    }
}

/* Conversations stay in front, as they are. */
static void shuffle(pc_adapting *a)
{
    size_t first = 0;
    for (size_t i = 0; i < a->said_count; i++) {
        if (a->said[i].ordered) {
            pc_said said = a->said[i];
            memmove(a->said + first + 1, a->said + first, (i - first) * sizeof *a->said);
            a->said[first++] = said;
        }
    }
    for (size_t i = a->said_count; i > first + 1; i--) {
        size_t k = first + (size_t)pc_rng_below(&a->rng, i - first);
        pc_said said = a->said[i - 1];
        a->said[i - 1] = a->said[k];
        a->said[k] = said;
    }
}

/* Exchanges first .. first + count - 1 as row `part` of picture `at`. */
static pc_status write_row(pc_adapting *a, int64_t at, int64_t part, size_t first, size_t count)
{
    pc_json *row = pc_json_new_object(), *turns, *names;
    char id[64];
    pc_status status;
    snprintf(id, sizeof id, part ? "%08" PRId64 "-%" PRId64 : "%08" PRId64, at, part);
    PC_GO(pc_json_set(row, "id", pc_json_new_text(id)));
    PC_GO(pc_json_set(row, "image", pc_json_new_text(a->known.image)));
    PC_GO(pc_json_set(row, "conversations", turns = pc_json_new_array()));
    PC_GO(pc_json_set(row, "tasks", names = pc_json_new_array()));
    for (size_t i = first; i < first + count; i++) {
        const pc_said *said = &a->said[i];
        PC_GO(pc_llava_add_turn(turns, "human", i == first ? "<image>\n" : "", said->question));
        PC_GO(pc_llava_add_turn(turns, "gpt", "", said->answer));
        PC_GO(pc_json_push(names, pc_json_new_text(tasks[said->task]->name)));
        a->counts->of_task[said->task]++;
        a->counts->positive += said->polarity == PC_POLARITY_POSITIVE;
        a->counts->negative += said->polarity == PC_POLARITY_NEGATIVE;
    }
    a->counts->exchanges += (int64_t)count;
    a->counts->rows++;
    status = pc_row_file_put(&a->rows, row);
done:
    pc_json_free(row);
    return status;
}

static pc_status write_picture(pc_adapting *a, int64_t at)
{
    size_t each = a->options->turns ? (size_t)a->options->turns : a->said_count;
    for (size_t first = 0; first < a->said_count; first += each) {
        size_t left = a->said_count - first;
        PC_TRY(write_row(a, at, (int64_t)(first / each), first, left < each ? left : each));
    }
    return PC_OK;
}

static pc_status adapt_picture(pc_adapting *a, int64_t at)
{
    pc_arena_free(&a->arena);
    a->said_count = 0;
    pc_rng_init(&a->rng, a->options->seed, (uint64_t)at);
    PC_TRY(pc_facts_read(a->facts, at, &a->known));
    a->counts->pictures++;
    a->counts->bad_boxes += a->known.bad_boxes;
    a->sampling = (int)(at % 3);
    if (a->classes.count) {
        memset(a->classes.asked, 0, a->classes.count * sizeof *a->classes.asked);
    }
    for (a->task = 0; a->task < TASKS; a->task++) {
        a->said_before = a->said_count;
        PC_TRY(a->wanted[a->task] ? tasks[a->task]->make(a, &a->known) : PC_OK);
    }
    if (a->options->balance) {
        balance(a);
    }
    shuffle(a);
    a->counts->empty += a->said_count == 0;
    return write_picture(a, at);
}

/* --- before the pictures --- */

static pc_status want(pc_adapting *a, const char *name, size_t length)
{
    for (int i = 0; i < TASKS; i++) {
        if (strlen(tasks[i]->name) == length && strncmp(tasks[i]->name, name, length) == 0) {
            a->wanted[i] = true;
            return PC_OK;
        }
    }
    char wrong[64];
    snprintf(wrong, sizeof wrong, "%.*s", (int)(length < 60 ? length : 60), name);
    const char *names[TASKS];
    for (int i = 0; i < TASKS; i++) {
        names[i] = tasks[i]->name;
    }
    const char *near = pc_nearest_name(wrong, names, TASKS, sizeof names[0]);
    return pc_fail(PC_ERR_USAGE, "no task '%s'%s%s%s; `percept data adapt --help` lists them", wrong, near ? ": did you mean " : "",
                   near ? near : "", near ? "?" : "");
}

static pc_status choose_tasks(pc_adapting *a)
{
    const char *at = a->options->tasks;
    for (int i = 0; i < TASKS && !at; i++) {
        a->wanted[i] = true;
    }
    while (at && *at) {
        size_t length = strcspn(at, ",");
        PC_TRY(want(a, at, length));
        at += length + (at[length] == ',');
    }
    for (int i = 0; i < TASKS; i++) {
        for (int p = 0; p < PC_TASK_POOLS && tasks[i]->pools[p].name; p++) {
            PC_TRY(pc_pools_check(a->pools, tasks[i]->pools[p].name, tasks[i]->pools[p].variables));
        }
    }
    return PC_OK;
}

static pc_status join_labels(pc_adapting *a)
{
    size_t count = pc_word_ids_count(a->labels);
    const char *comma = pc_pools_word(a->pools, "comma");
    pc_str list = {0};
    pc_status status = PC_OK;
    for (size_t i = 0; i < count && count <= LABELS_MAX && status == PC_OK; i++) {
        const char *label = pc_word_ids_text(a->labels, (int)i), *name = pc_pools_name(a->pools, label);
        status = pc_str_printf(&list, "%s%s", i ? (comma ? comma : ", ") : "", name ? name : label);
    }
    a->label_list = list.data;
    return status;
}

static bool is_stopped(const pc_adapt_options *o)
{
    return o->stop && o->stop(o->user);
}

/* Names of things and classes of pictures over the whole set, then which things are there together. */
static pc_status look_over(pc_adapting *a)
{
    int64_t count = pc_facts_count(a->facts);
    PC_TRY(pc_word_ids_new(&a->labels));
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < count; i++) {
            if (is_stopped(a->options)) {
                return pc_fail(PC_ERR_INTERRUPTED, "stopped while looking over picture %" PRId64, i);
            }
            PC_TRY(pc_facts_read(a->facts, i, &a->known));
            for (size_t k = 0; pass == 0 && k < a->known.label_count; k++) {
                int id;
                PC_TRY(pc_word_ids_add(a->labels, a->known.labels[k], strlen(a->known.labels[k]), &id));
            }
            PC_TRY(pass == 0 ? pc_classes_count(&a->classes, &a->known, a->pools) : PC_OK);
            if (pass == 1) {
                pc_classes_note(&a->classes, &a->known);
            }
        }
        PC_TRY(pass == 0 ? pc_classes_finish(&a->classes) : PC_OK);
    }
    return join_labels(a);
}

/* --- text-only rows --- */

static pc_status write_text_row(pc_adapting *a, const pc_sample *sample, int64_t at)
{
    const pc_conversation *said = &sample->conversation;
    pc_json *row = pc_json_new_object(), *turns;
    char id[64];
    pc_status status;
    snprintf(id, sizeof id, "text-%08" PRId64, at);
    PC_GO(pc_json_set(row, "id", pc_json_new_text(id)));
    PC_GO(pc_json_set(row, "conversations", turns = pc_json_new_array()));
    for (size_t i = 0; i < said->count; i++) {
        const char *from = said->messages[i].role == PC_ROLE_USER ? "human" : said->messages[i].role == PC_ROLE_ASSISTANT ? "gpt" : "system";
        pc_str_reset(&a->text);
        for (size_t p = said->messages[i].first; p < said->messages[i].first + said->messages[i].count; p++) {
            PC_GO(pc_str_add(&a->text, said->parts[p].text, said->parts[p].length));
        }
        PC_GO(pc_llava_add_turn(turns, from, "", a->text.data ? a->text.data : ""));
    }
    a->counts->text_rows++;
    status = pc_row_file_put(&a->rows, row);
done:
    pc_json_free(row);
    return status;
}

static pc_status add_texts_of(pc_adapting *a, const pc_dataset *dataset, int which, int64_t wanted)
{
    pc_sample sample = {0};
    int64_t all = pc_dataset_count(dataset), before = a->counts->text_rows;
    pc_status status = PC_OK;
    for (int64_t i = 0; i < all && a->counts->text_rows - before < wanted && status == PC_OK; i++) {
        int64_t at = (int64_t)pc_rng_permute(a->options->seed, TEXT_STREAM + (uint64_t)which, (uint64_t)all, (uint64_t)i);
        status = pc_dataset_read_texts(dataset, at, &sample);
        if (status == PC_ERR_DATA || status == PC_ERR_IO) {
            a->counts->skipped++;
            status = PC_OK;
        } else if (status == PC_OK && sample.image_count == 0) {
            status = write_text_row(a, &sample, at);
        }
    }
    pc_sample_clear(&sample);
    return status;
}

/* text_share of all rows, the same from each dataset. */
static pc_status add_texts(pc_adapting *a)
{
    const pc_adapt_options *o = a->options;
    double wanted = (double)a->counts->rows * o->text_share / (1 - o->text_share);
    for (int i = 0; i < o->text_count; i++) {
        pc_dataset *dataset;
        int64_t until = llround(wanted * (i + 1) / o->text_count);
        PC_TRY(pc_dataset_open(&dataset, o->texts[i], NULL, NULL));
        pc_status status = add_texts_of(a, dataset, i, until - a->counts->text_rows);
        pc_dataset_close(dataset);
        PC_TRY(status);
    }
    if (o->text_count && (double)a->counts->text_rows < floor(wanted)) {
        pc_log(PC_LOG_WARNING, "%" PRId64 " rows without pictures are all there are; %.0f were wanted", a->counts->text_rows, wanted);
    }
    return PC_OK;
}

/* --- all --- */

static pc_status open_rows(pc_adapting *a, const char *path)
{
    char *folder = pc_path_parent(path);
    pc_status status = folder ? pc_make_directories(folder) : pc_fail_memory(0, "a path");
    status = status == PC_OK ? pc_row_file_open(&a->rows, folder, pc_path_base(path)) : status;
    pc_free(folder);
    return status;
}

static pc_status run(pc_adapting *a, const char *path)
{
    const pc_adapt_options *o = a->options;
    pc_facts_options facts = {.image_name = o->image_name, .media_dir = o->media_dir, .limit = o->limit};
    PC_TRY(pc_pools_open(&a->pools, o->templates, o->template_count, o->language));
    PC_TRY(choose_tasks(a));
    PC_TRY(pc_facts_open(&a->facts, o->annotations, o->annotation_count, &facts));
    a->counts->skipped = pc_facts_skipped(a->facts);
    PC_TRY(look_over(a));
    PC_TRY(open_rows(a, path));
    for (int64_t i = 0, count = pc_facts_count(a->facts); i < count; i++) {
        if (is_stopped(o)) {
            return pc_fail(PC_ERR_INTERRUPTED, "stopped at picture %" PRId64, i);
        }
        PC_TRY(adapt_picture(a, i));
        if (o->progress) {
            o->progress(o->user, i + 1, count);
        }
    }
    if (!a->counts->rows) {
        return pc_fail(PC_ERR_DATA, "%s: %" PRId64 " pictures, none with anything for the tasks that were asked for", o->annotations[0],
                       a->counts->pictures);
    }
    PC_TRY(add_texts(a));
    return pc_row_file_finish(&a->rows);
}

pc_status pc_adapt(const char *path, const pc_adapt_options *options, pc_adapt_counts *counts)
{
    pc_adapting a = {.options = options, .counts = counts};
    *counts = (pc_adapt_counts){0};
    pc_status status = run(&a, path);
    if (status != PC_OK && a.rows.part) {
        unlink(a.rows.part);
    }
    pc_row_file_close(&a.rows);
    pc_facts_close(a.facts);
    pc_pools_free(a.pools);
    pc_classes_clear(&a.classes);
    pc_word_ids_free(a.labels);
    pc_free(a.label_list);
    pc_known_clear(&a.known);
    pc_arena_free(&a.arena);
    pc_str_clear(&a.text);
    pc_free(a.said);
    return status;
}
