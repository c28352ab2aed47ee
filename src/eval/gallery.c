#include "eval/gallery.h"

#include "base/base64.h"
#include "base/file.h"
#include "base/memory.h"
#include "eval/html.h"
#include "eval/metric/lines.h"
#include "media/decode.h"

#include <stdio.h>
#include <string.h>

void pc_gallery_clear(pc_gallery *gallery)
{
    for (size_t i = 0; i < gallery->count; i++) {
        pc_gallery_item *item = &gallery->item[i];
        pc_free(item->kind);
        pc_free(item->question);
        pc_free(item->truth);
        for (int m = 0; m < gallery->models; m++) {
            pc_free(item->answer[m]);
        }
        pc_str_clear(&item->png);
    }
    for (int m = 0; m < gallery->models; m++) {
        pc_free(gallery->name[m]);
    }
    pc_free(gallery->item);
    *gallery = (pc_gallery){0};
}

/* --- loading --- */

static pc_status name_models(pc_gallery *out, const pc_gallery_options *options)
{
    for (int m = 0; m < options->models; m++) {
        char *folder = pc_path_parent(options->files[m]);
        out->models = m + 1;
        out->name[m] = folder ? pc_strdup(pc_path_base(folder)) : NULL;
        pc_free(folder);
        PC_TRY(out->name[m] ? PC_OK : pc_fail_memory(0, "a name"));
        for (int k = 0; k < m; k++) {
            if (strcmp(out->name[k], out->name[m]) == 0) {
                return pc_fail(PC_ERR_USAGE, "%s: another model's samples lie in a folder '%s', too", options->files[m], out->name[m]);
            }
        }
    }
    return PC_OK;
}

static bool in_list(const char *ids, const char *id)
{
    size_t length = strlen(id);
    for (const char *at = ids; at && *at;) {
        size_t size = strcspn(at, ",");
        if (size == length && memcmp(at, id, length) == 0) {
            return true;
        }
        at += size + (at[size] == ',');
    }
    return !ids;
}

static pc_status take_picture(pc_gallery_item *item, const pc_task_question *question)
{
    pc_image *loaded = NULL;
    if (!question->image && !question->path) {
        return PC_OK;
    }
    PC_TRY(question->image ? PC_OK : pc_image_load(&loaded, question->path, NULL));
    pc_status status = pc_image_encode_png(question->image ? question->image : loaded, &item->png);
    pc_image_free(loaded);
    return status;
}

static pc_status add_item(pc_gallery *out, const pc_task_question *question, const pc_json *const *samples)
{
    PC_TRY(pc_grow(&out->item, &out->capacity, out->count + 1, sizeof *out->item, "questions"));
    pc_gallery_item *item = &out->item[out->count++];
    *item = (pc_gallery_item){.kind = pc_strdup(question->kind ? question->kind : ""), .question = pc_strdup(question->question),
                              .truth = pc_strdup(question->answer)};
    memcpy(item->id, question->id, sizeof item->id);
    bool whole = item->kind && item->question && item->truth;
    for (int m = 0; m < out->models; m++) {
        item->answer[m] = pc_strdup(pc_json_get_text(samples[m], "answer", ""));
        item->right[m] = pc_json_get_bool(samples[m], "right", false);
        whole = whole && item->answer[m];
    }
    return whole ? take_picture(item, question) : pc_fail_memory(0, "an answer");
}

/* The answers of all models to a question; false when one has none, or when they are alike and that is not wanted. */
static bool find_answers(const pc_json **samples, const pc_gallery_options *options, pc_json_lines *const *lines, const char *id)
{
    bool differ = false;
    for (int m = 0; m < options->models; m++) {
        const pc_json_line *line = pc_json_lines_find(lines[m], id);
        samples[m] = line ? line->json : NULL;
        const char *answer = pc_json_get_text(samples[m], "answer", NULL);
        if (!answer) {
            return false;
        }
        differ = differ || strcmp(answer, pc_json_get_text(samples[0], "answer", "")) != 0;
    }
    return differ || !options->differing;
}

static pc_status gather(pc_gallery *out, const pc_gallery_options *options, pc_json_lines *const *lines)
{
    void *state = NULL;
    pc_status status;
    size_t seen = 0;
    PC_GO(options->task->open(&state, &options->task_options));
    /* A task that draws its questions has no end: as many are looked at as were answered. */
    while ((int64_t)out->count < options->limit && seen < lines[0]->count) {
        pc_task_question question;
        const pc_json *samples[PC_GALLERY_MODELS];
        bool have;
        PC_GO(options->task->next(state, &question, &have));
        if (!have) {
            break;
        }
        seen += pc_json_lines_find(lines[0], question.id) != NULL;
        if (!pc_json_lines_find(lines[0], question.id) && !options->task_options.path) {
            break; /* drawn with another seed */
        }
        if (in_list(options->ids, question.id) && find_answers(samples, options, lines, question.id)) {
            PC_GO(add_item(out, &question, samples));
        }
    }
    status = out->count ? PC_OK
                        : pc_fail(PC_ERR_DATA, "%s: no question of %s is answered there by all models%s", options->files[0],
                                  options->task->name, options->differing ? " in different words" : "");
done:
    if (state) {
        options->task->close(state);
    }
    return status;
}

pc_status pc_gallery_load(pc_gallery *out, const pc_gallery_options *options)
{
    pc_json_lines *lines[PC_GALLERY_MODELS] = {NULL};
    pc_status status;
    *out = (pc_gallery){0};
    if (options->models < 2 || options->models > PC_GALLERY_MODELS) {
        return pc_fail(PC_ERR_USAGE, "expected the samples of 2 to %d models, found %d", PC_GALLERY_MODELS, options->models);
    }
    if (!options->task->open) {
        return pc_fail(PC_ERR_USAGE, "%s asks no questions", options->task->name);
    }
    PC_GO(name_models(out, options));
    for (int m = 0; m < options->models; m++) {
        PC_GO(pc_json_lines_read(&lines[m], options->files[m], true));
    }
    PC_GO(gather(out, options, lines));
done:
    for (int m = 0; m < PC_GALLERY_MODELS; m++) {
        pc_json_lines_free(lines[m]);
    }
    return status;
}

/* --- the page --- */

static const char HEAD[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>percept case study</title><style>\n"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222;background:#fff}\n"
    "section{border-top:1px solid #ccc;padding:1em 0}img{max-width:320px;image-rendering:pixelated;min-width:160px}\n"
    "table{border-collapse:collapse;width:100%;table-layout:fixed}td,th{border:1px solid #ddd;padding:.5em;vertical-align:top;"
    "text-align:left;overflow-wrap:anywhere}.right{background:#eaf6ea}.wrong{background:#fbeceb}\n"
    "p{white-space:pre-wrap}small{color:#666}\n</style></head><body>\n";

static pc_status put_names(const pc_gallery *g, pc_str *out)
{
    PC_TRY(pc_str_puts(out, "<table><tr>"));
    for (int m = 0; m < g->models; m++) {
        PC_TRY(pc_str_puts(out, "<th>"));
        PC_TRY(pc_html_text(out, g->name[m]));
        PC_TRY(pc_str_puts(out, "</th>"));
    }
    return pc_str_puts(out, "</tr>\n<tr>");
}

static pc_status put_summary(const pc_gallery *g, pc_str *out)
{
    PC_TRY(put_names(g, out));
    for (int m = 0; m < g->models; m++) {
        size_t right = 0;
        for (size_t i = 0; i < g->count; i++) {
            right += g->item[i].right[m];
        }
        PC_TRY(pc_str_printf(out, "<td>%zu of %zu right</td>", right, g->count));
    }
    return pc_str_puts(out, "</tr></table>\n");
}

static pc_status put_item(const pc_gallery *g, const pc_gallery_item *item, pc_str *out)
{
    PC_TRY(pc_str_puts(out, "<section><small>"));
    PC_TRY(pc_html_text(out, item->id));
    PC_TRY(pc_str_puts(out, *item->kind ? " · " : ""));
    PC_TRY(pc_html_text(out, item->kind));
    PC_TRY(pc_str_puts(out, "</small>\n<p><b>"));
    PC_TRY(pc_html_text(out, item->question));
    PC_TRY(pc_str_puts(out, "</b></p>\n"));
    if (item->png.length) {
        PC_TRY(pc_str_puts(out, "<img alt=\"\" src=\"data:image/png;base64,"));
        PC_TRY(pc_base64_encode(out, item->png.data, item->png.length));
        PC_TRY(pc_str_puts(out, "\">\n"));
    }
    PC_TRY(put_names(g, out));
    for (int m = 0; m < g->models; m++) {
        PC_TRY(pc_str_printf(out, "<td class=\"%s\">", item->right[m] ? "right" : "wrong"));
        PC_TRY(pc_html_text(out, item->answer[m]));
        PC_TRY(pc_str_puts(out, "</td>"));
    }
    PC_TRY(pc_str_puts(out, "</tr></table>\n<p><small>truth</small> "));
    PC_TRY(pc_html_text(out, item->truth));
    return pc_str_puts(out, "</p></section>\n");
}

pc_status pc_gallery_write(const pc_gallery *g, const char *path, const char *title)
{
    pc_str out = {0};
    pc_status status;
    PC_GO(pc_str_puts(&out, HEAD));
    PC_GO(pc_str_puts(&out, "<h1>"));
    PC_GO(pc_html_text(&out, title));
    PC_GO(pc_str_puts(&out, "</h1>\n"));
    PC_GO(put_summary(g, &out));
    for (size_t i = 0; i < g->count; i++) {
        PC_GO(put_item(g, &g->item[i], &out));
    }
    PC_GO(pc_str_puts(&out, "</body></html>\n"));
    PC_GO(pc_file_write(path, out.data, out.length));
done:
    pc_str_clear(&out);
    return status;
}
