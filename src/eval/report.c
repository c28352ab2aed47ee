#include "eval/report.h"

#include "base/base64.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"
#include "eval/html.h"
#include "media/decode.h"

#include <inttypes.h>
#include <string.h>

static const char HEAD[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Evaluation</title><style>\n"
    "body{font:15px/1.4 sans-serif;margin:2em auto;max-width:70em;padding:0 1em}\n"
    "table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right}td:first-child,th:first-child{text-align:left}\n"
    ".bar{display:inline-block;height:.8em;background:#4878a8}\n"
    ".card{display:inline-block;vertical-align:top;width:15em;margin:.4em;padding:.6em;border:1px solid #ccc;border-radius:.4em}\n"
    ".card img{max-width:100%;image-rendering:pixelated}.wrong{border-color:#c33}.right{border-color:#3a3}\n"
    "</style></head><body>\n";

/* --- numbers --- */

static pc_status put_row(pc_str *out, const char *name, int64_t right, int64_t asked)
{
    double percent = 100 * pc_tally_accuracy(right, asked), interval[2];
    pc_tally_interval(right, asked, interval);
    PC_TRY(pc_str_puts(out, "<tr><td>"));
    PC_TRY(pc_html_text(out, name));
    return pc_str_printf(out, "</td><td>%" PRId64 " / %" PRId64 "</td><td>%.1f %%</td><td>%.1f &ndash; %.1f</td>"
                              "<td style=\"text-align:left\"><span class=\"bar\" style=\"width:%.1fem\"></span></td></tr>\n",
                         right, asked, percent, 100 * interval[0], 100 * interval[1], percent / 8);
}

static pc_status put_table(pc_str *out, const pc_tally *score)
{
    PC_TRY(pc_str_puts(out, "<table><tr><th>kind</th><th>right</th><th>accuracy</th><th>95 % interval</th><th></th></tr>\n"));
    for (int i = 0; i < score->kind_count; i++) {
        PC_TRY(put_row(out, score->kinds[i].name, score->kinds[i].right, score->kinds[i].asked));
    }
    PC_TRY(put_row(out, "all", score->right, score->asked));
    return pc_str_puts(out, "</table>\n");
}

static pc_status put_metric(pc_str *out, const pc_report_task *task)
{
    const pc_json *metric = task->metric[0] ? pc_json_get(task->result, task->metric) : NULL;
    if (!metric) {
        return PC_OK;
    }
    pc_str text = {0};
    pc_status status;
    PC_GO(pc_json_write(&text, metric, 2));
    PC_GO(pc_str_printf(out, "<details><summary>%s</summary><pre>", task->metric));
    PC_GO(pc_html_text(out, text.data));
    PC_GO(pc_str_puts(out, "</pre></details>\n"));
done:
    pc_str_clear(&text);
    return status;
}

/* --- questions --- */

static pc_status put_picture(pc_str *out, const pc_task_question *question)
{
    pc_image *loaded = NULL;
    pc_str png = {0};
    pc_status status = PC_OK;
    if (!question->image && !question->path) {
        return PC_OK;
    }
    PC_GO(question->image ? PC_OK : pc_image_load(&loaded, question->path, NULL));
    PC_GO(pc_image_encode_png(question->image ? question->image : loaded, &png));
    PC_GO(pc_str_puts(out, "<img alt=\"\" src=\"data:image/png;base64,"));
    PC_GO(pc_base64_encode(out, png.data, png.length));
    PC_GO(pc_str_puts(out, "\">"));
done:
    pc_image_free(loaded);
    pc_str_clear(&png);
    return status;
}

static pc_status put_card(pc_str *out, const pc_task_question *question, const pc_json *sample)
{
    bool right = pc_json_get_bool(sample, "right", false);
    static const char *const keys[] = {"question", "answer", "truth"};
    PC_TRY(pc_str_printf(out, "<div class=\"card %s\">", right ? "right" : "wrong"));
    PC_TRY(put_picture(out, question));
    for (int i = 0; i < 3; i++) {
        PC_TRY(pc_str_printf(out, "<p><small>%s</small><br>", keys[i]));
        PC_TRY(pc_html_text(out, pc_json_get_text(sample, keys[i], "")));
        PC_TRY(pc_str_puts(out, "</p>"));
    }
    return pc_str_puts(out, "</div>\n");
}

/* The first wrong ones, and right ones while there is room. */
static bool is_shown(const pc_json *sample, int64_t *wrong, int64_t *right)
{
    int64_t *left = pc_json_get_bool(sample, "right", false) ? right : wrong;
    return (*left)-- > 0;
}

static pc_status put_cards(pc_str *out, const pc_report_task *task)
{
    void *state = NULL;
    int64_t missed = task->score->asked - task->score->right;
    int64_t wrong = missed < PC_REPORT_SHOWN ? missed : PC_REPORT_SHOWN, right = PC_REPORT_SHOWN - wrong;
    pc_status status;
    PC_GO(task->task->open(&state, &task->options));
    for (size_t i = 0; i < pc_json_length(task->samples) && (wrong > 0 || right > 0);) {
        const pc_json *sample = pc_json_at(task->samples, i);
        pc_task_question question;
        bool have;
        PC_GO(task->task->next(state, &question, &have));
        if (!have) {
            break;
        }
        if (strcmp(pc_json_get_text(sample, "id", ""), question.id) == 0) { /* else it has no answer */
            PC_GO(is_shown(sample, &wrong, &right) ? put_card(out, &question, sample) : PC_OK);
            i++;
        }
    }
done:
    if (state) {
        task->task->close(state);
    }
    return status;
}

pc_status pc_report_write(const char *path, const char *title, const pc_report_task *tasks, int count)
{
    pc_str out = {0};
    pc_status status;
    PC_GO(pc_str_puts(&out, HEAD));
    PC_GO(pc_str_puts(&out, "<h1>"));
    PC_GO(pc_html_text(&out, title));
    PC_GO(pc_str_puts(&out, "</h1>\n"));
    for (int i = 0; i < count; i++) {
        PC_GO(pc_str_puts(&out, "<h2>"));
        PC_GO(pc_html_text(&out, tasks[i].name));
        PC_GO(pc_str_puts(&out, "</h2>\n"));
        PC_GO(put_table(&out, tasks[i].score));
        PC_GO(put_metric(&out, &tasks[i]));
        PC_GO(put_cards(&out, &tasks[i]));
    }
    PC_GO(pc_str_puts(&out, "</body></html>\n"));
    PC_GO(pc_file_write(path, out.data, out.length));
done:
    pc_str_clear(&out);
    return status;
}
