/* What is shown: the rows of the batch (ids as they are fed, soft tokens by their picture), the targets among them, and the
 * pixels of the batch turned back into colours: pixel = (value * std + mean) / rescale_factor. */
#include "train/sample_page.h"

#include "base/base64.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a row is; a target belongs to the row behind the one that predicts it. */
typedef enum row_kind { ROW_PLAIN, ROW_SPECIAL, ROW_PICTURE } row_kind;

typedef struct row {
    row_kind kind;
    bool trained;
    const char *token; /* as the vocabulary spells it; may be NULL */
    size_t length;
} row;

static bool is_soft(const pc_batch *batch, int64_t at)
{
    for (int64_t i = 0; i < batch->soft; i++) {
        if (batch->soft_rows[i] == at) {
            return true;
        }
    }
    return false;
}

static row describe(const pc_sample_view *view, int64_t at)
{
    const pc_batch *batch = &view->batch;
    const pc_tokenizer *tokenizer = view->maker.options->tokenizer;
    row r = {.kind = is_soft(batch, at) ? ROW_PICTURE : ROW_PLAIN};
    if (r.kind == ROW_PLAIN) {
        r.token = pc_tokenizer_token(tokenizer, batch->ids[at], &r.length);
        r.kind = pc_tokenizer_is_special(tokenizer, batch->ids[at]) ? ROW_SPECIAL : ROW_PLAIN;
    }
    r.trained = (size_t)at < view->maker.prompt.ids.count && view->maker.prompt.trained && r.kind != ROW_PICTURE &&
                view->maker.prompt.trained[at];
    return r;
}

static pc_status add_json_text(pc_str *out, const char *text, size_t length)
{
    pc_str clean = {0};
    pc_status status = pc_text_repair(&clean, text, length);
    pc_json *json = status == PC_OK ? pc_json_new_text_n(clean.data ? clean.data : "", clean.length) : NULL;
    status = status != PC_OK ? status : json ? pc_json_write(out, json, 0) : pc_fail_memory(length, "a token");
    pc_json_free(json);
    pc_str_clear(&clean);
    return status;
}

static pc_status add_head(const pc_sample_view *view, pc_str *out)
{
    const pc_batch *batch = &view->batch;
    PC_TRY(pc_str_printf(out, "%s\n", view->maker.sample.where));
    if (view->status != PC_OK) {
        return pc_str_printf(out, "bad: %s\n", view->message);
    }
    return pc_str_printf(out, "%" PRId64 " tokens%s, %" PRId64 " with a loss, %" PRId64 " picture%s of %" PRId64
                              " soft tokens each\n", batch->tokens, view->shortened ? " (turns lost to cutoff_len)" : "",
                         batch->targets, batch->images, batch->images == 1 ? "" : "s", view->maker.options->tokens_per_image);
}

pc_status pc_sample_text(const pc_sample_view *view, pc_str *out)
{
    PC_TRY(add_head(view, out));
    if (view->batch.tokens == 0) {
        return PC_OK;
    }
    PC_TRY(pc_str_puts(out, "position      id loss token\n"));
    for (int64_t at = 0; at < view->batch.tokens; at++) {
        row r = describe(view, at);
        if (r.kind == ROW_PICTURE) {
            int64_t first = at;
            while (at + 1 < view->batch.tokens && is_soft(&view->batch, at + 1)) {
                at++;
            }
            PC_TRY(pc_str_printf(out, "%8" PRId64 "       -    . picture tokens up to %" PRId64 "\n", first, at));
            continue;
        }
        PC_TRY(pc_str_printf(out, "%8d %7" PRId32 "    %s ", view->batch.positions[at], view->batch.ids[at],
                             r.trained ? "x" : "."));
        PC_TRY(add_json_text(out, r.token ? r.token : "", r.length));
        PC_TRY(pc_str_putc(out, '\n'));
    }
    return PC_OK;
}

/* --- the page --- */

static pc_status add_escaped(pc_str *out, const char *text, size_t length)
{
    pc_str clean = {0};
    pc_status status = pc_text_repair(&clean, text, length);
    for (size_t i = 0; i < clean.length && status == PC_OK; i++) {
        char c = clean.data[i];
        status = c == '<'    ? pc_str_puts(out, "&lt;")
                 : c == '>'  ? pc_str_puts(out, "&gt;")
                 : c == '&'  ? pc_str_puts(out, "&amp;")
                 : c == '"'  ? pc_str_puts(out, "&quot;")
                 : c == '\n' ? pc_str_puts(out, "&#8629;<br>")
                             : pc_str_putc(out, c);
    }
    pc_str_clear(&clean);
    return status;
}

static uint8_t colour(const pc_image_recipe *recipe, double value, int channel)
{
    value = recipe->do_normalize ? value * recipe->std[channel] + recipe->mean[channel] : value;
    value = recipe->do_rescale && recipe->rescale_factor > 0 ? value / recipe->rescale_factor : value;
    return (uint8_t)fmin(255, fmax(0, rint(value)));
}

static pc_status add_picture(const pc_sample_view *view, pc_str *out, int64_t index)
{
    const pc_loader_options *options = view->maker.options;
    int64_t plane = options->image_width * options->image_height;
    const float *pixels = view->batch.pixels + index * 3 * plane;
    pc_image *image = NULL;
    pc_str png = {0};
    pc_status status;
    PC_GO(pc_image_new(&image, (int)options->image_width, (int)options->image_height));
    for (int64_t i = 0; i < 3 * plane; i++) {
        image->pixels[i] = colour(options->recipe, pixels[i % 3 * plane + i / 3], (int)(i % 3));
    }
    PC_GO(pc_image_encode_png(image, &png));
    PC_GO(pc_str_printf(out, "<figure><img alt=\"picture %" PRId64 "\" src=\"data:image/png;base64,", index + 1));
    PC_GO(pc_base64_encode(out, png.data, png.length));
    PC_GO(pc_str_printf(out, "\"><figcaption>picture %" PRId64 ", %d x %d</figcaption></figure>\n", index + 1, image->width,
                        image->height));
done:
    pc_image_free(image);
    pc_str_clear(&png);
    return status;
}

static pc_status add_tokens(const pc_sample_view *view, pc_str *out)
{
    static const char *const classes[] = {"plain", "special", "picture"};
    pc_str text = {0};
    pc_token_stream stream;
    pc_status status = PC_OK;
    pc_token_stream_init(&stream, view->maker.options->tokenizer, PC_DETOKENIZE_CONTINUE);
    for (int64_t at = 0; at < view->batch.tokens; at++) {
        row r = describe(view, at);
        text.length = 0;
        PC_GO(pc_str_printf(out, "<span class=\"%s%s\" title=\"row %" PRId64 ", position %d, id %d\">", classes[r.kind],
                            r.trained ? " loss" : "", at, view->batch.positions[at], view->batch.ids[at]));
        if (r.kind == ROW_PICTURE) {
            PC_GO(pc_str_puts(out, "&#9638;"));
        } else if (r.kind == ROW_SPECIAL) {
            PC_GO(add_escaped(out, r.token ? r.token : "", r.length));
        } else {
            PC_GO(pc_token_stream_push(&stream, view->batch.ids[at], &text));
            PC_GO(add_escaped(out, text.data ? text.data : "", text.length));
        }
        PC_GO(pc_str_puts(out, "</span>"));
    }
done:
    pc_str_clear(&text);
    return status;
}

static const char STYLE[] =
    "<style>body{font:16px/1.7 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}img{image-rendering:pixelated;"
    "min-width:128px;max-width:100%}figure{display:inline-block;margin:0 1em 1em 0}.loss{background:#bfe8c0}"
    ".special{color:#a03}.picture{color:#06c;font-size:70%}span:hover{outline:1px solid}table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:0 .5em;text-align:left;font-family:monospace}</style>";

pc_status pc_sample_page(const pc_sample_view *view, pc_str *out)
{
    pc_str text = {0};
    pc_status status;
    PC_GO(pc_sample_text(view, &text));
    size_t head = view->batch.tokens ? (size_t)(strstr(text.data, "position ") - text.data) : text.length;
    PC_GO(pc_str_printf(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>sample</title>%s</head>"
                             "<body>\n<p>", STYLE));
    PC_GO(add_escaped(out, text.data, head));
    PC_GO(pc_str_puts(out, "</p>\n"));
    for (int64_t i = 0; i < view->batch.images; i++) {
        PC_GO(add_picture(view, out, i));
    }
    PC_GO(pc_str_puts(out, "<p>"));
    PC_GO(add_tokens(view, out));
    PC_GO(pc_str_puts(out, "</p>\n<p><span class=\"loss\">with a loss</span> <span class=\"special\">control token</span> "
                           "<span class=\"picture\">&#9638;</span> soft token</p>\n<pre>"));
    for (const char *c = text.data + head; *c; c++) { /* line ends stay in <pre> */
        PC_GO(*c == '\n' ? pc_str_putc(out, '\n') : add_escaped(out, c, 1));
    }
    PC_GO(pc_str_puts(out, "</pre></body></html>\n"));
done:
    pc_str_clear(&text);
    return status;
}
