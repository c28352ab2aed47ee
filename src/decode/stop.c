/* Matching several stop texts in a stream: for each, the number of its bytes that the stream ends
 * with (Knuth, Morris and Pratt 1977), so every byte costs the same however the pieces are cut. */
#include "decode/stop.h"

#include "base/memory.h"

#include <string.h>

typedef struct pc_stop_text {
    char *text;
    size_t length;
    /* border[n]: the longest proper beginning of text[0..n) that is also its end */
    size_t *border;
    size_t matched;  /* the stream ends with text[0..matched) */
} pc_stop_text;

static void find_borders(pc_stop_text *text)
{
    size_t n = 0;
    text->border[0] = 0;
    text->border[1] = 0;
    for (size_t i = 1; i < text->length; i++) {
        while (n > 0 && text->text[i] != text->text[n]) {
            n = text->border[n];
        }
        n += text->text[i] == text->text[n];
        text->border[i + 1] = n;
    }
}

pc_status pc_stop_add(pc_stop *stop, const char *text)
{
    pc_status status = PC_OK;
    pc_stop_text added = {.length = strlen(text)};
    if (added.length == 0) {
        return pc_fail(PC_ERR_USAGE, "a stop text is empty");
    }
    added.text = pc_strdup(text);
    if (added.text == NULL) {
        return pc_fail_memory(added.length, "a stop text");
    }
    PC_GO(PC_NEW_ARRAY(added.border, added.length + 1, "a stop text"));
    PC_GO(pc_grow(&stop->texts, &stop->capacity, stop->count + 1, sizeof *stop->texts,
                  "stop texts"));
    find_borders(&added);
    stop->texts[stop->count++] = added;
    return PC_OK;
done:
    pc_free(added.text);
    pc_free(added.border);
    return status;
}

pc_status pc_stop_add_all(pc_stop *stop, const char *const *texts)
{
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++) {
        PC_TRY(pc_stop_add(stop, texts[i]));
    }
    return PC_OK;
}

void pc_stop_clear(pc_stop *stop)
{
    for (size_t i = 0; i < stop->count; i++) {
        pc_free(stop->texts[i].text);
        pc_free(stop->texts[i].border);
    }
    pc_free(stop->texts);
    pc_str_clear(&stop->held);
    memset(stop, 0, sizeof *stop);
}

void pc_stop_reset(pc_stop *stop)
{
    for (size_t i = 0; i < stop->count; i++) {
        stop->texts[i].matched = 0;
    }
    pc_str_reset(&stop->held);
    stop->stopped = false;
}

/* Move every text on by one byte. *partial = the longest beginning that the stream ends with;
 * returns the length of the longest text that is complete, 0 when none is. */
static size_t advance(pc_stop *stop, char byte, size_t *partial)
{
    size_t complete = 0;
    *partial = 0;
    for (size_t i = 0; i < stop->count; i++) {
        pc_stop_text *text = &stop->texts[i];
        while (text->matched > 0 && text->text[text->matched] != byte) {
            text->matched = text->border[text->matched];
        }
        text->matched += text->text[text->matched] == byte;
        if (text->matched == text->length) {
            complete = text->length > complete ? text->length : complete;
            text->matched = text->border[text->length];
        }
        *partial = text->matched > *partial ? text->matched : *partial;
    }
    return complete;
}

pc_status pc_stop_push(pc_stop *stop, const char *bytes, size_t length, pc_str *out)
{
    if (stop->stopped || length == 0) {
        return PC_OK;
    }
    size_t before = stop->held.length;
    size_t partial = 0;
    size_t complete = 0;
    size_t used = 0;
    while (used < length && complete == 0) {
        complete = advance(stop, bytes[used], &partial);
        used++;
    }
    /* What is certain ends before the match, or before what may become one. */
    size_t certain = before + used - (complete > 0 ? complete : partial);
    PC_TRY(pc_str_add(&stop->held, bytes, used));
    PC_TRY(pc_str_add(out, stop->held.data, certain));
    if (complete > 0) {
        stop->stopped = true;
        pc_str_reset(&stop->held);
        return PC_OK;
    }
    memmove(stop->held.data, stop->held.data + certain, stop->held.length - certain + 1);
    stop->held.length -= certain;
    return PC_OK;
}

pc_status pc_stop_finish(pc_stop *stop, pc_str *out)
{
    if (!stop->stopped && stop->held.length > 0) {
        PC_TRY(pc_str_add(out, stop->held.data, stop->held.length));
    }
    pc_str_reset(&stop->held);
    return PC_OK;
}
