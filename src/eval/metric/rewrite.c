#define PCRE2_CODE_UNIT_WIDTH 8
#include "eval/metric/rewrite.h"

#include "base/memory.h"

#include <pcre2.h>
#include <string.h>

struct pc_rewriter {
    const pc_rewrite *rules;
    size_t count;
    pcre2_code **code; /* [count] */
};

pc_status pc_rewriter_new(pc_rewriter **out, const pc_rewrite *rules, size_t count)
{
    pc_rewriter *self = NULL;
    pc_status status;
    *out = NULL;
    PC_GO(PC_NEW(self, "rules of words"));
    self->rules = rules;
    PC_GO(PC_NEW_ARRAY(self->code, count, "rules of words"));
    for (; self->count < count; self->count++) {
        int error;
        PCRE2_SIZE at;
        self->code[self->count] = pcre2_compile((PCRE2_SPTR)rules[self->count].pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF,
                                                &error, &at, NULL);
        if (!self->code[self->count]) {
            status = pc_fail(PC_ERR_DATA, "pattern %s: error %d at %zu", rules[self->count].pattern, error, (size_t)at);
            goto done;
        }
    }
    *out = self;
    return PC_OK;
done:
    pc_rewriter_free(self);
    return status;
}

void pc_rewriter_free(pc_rewriter *self)
{
    if (self) {
        for (size_t i = 0; i < self->count; i++) {
            pcre2_code_free(self->code[i]);
        }
        pc_free(self->code);
        pc_free(self);
    }
}

/* *fits = how often the rule was applied. */
static pc_status apply(const pc_rewriter *self, size_t i, pc_str *text, int *fits)
{
    size_t room = 2 * text->length + 64;
    char *out = NULL;
    PC_TRY(PC_NEW_ARRAY(out, room, "a rewritten text"));
    uint32_t options = PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_UNSET_EMPTY | PCRE2_SUBSTITUTE_OVERFLOW_LENGTH;
    for (;;) {
        PCRE2_SIZE length = room;
        *fits = pcre2_substitute(self->code[i], (PCRE2_SPTR)text->data, text->length, 0, options, NULL, NULL,
                                 (PCRE2_SPTR)self->rules[i].replacement, PCRE2_ZERO_TERMINATED, (PCRE2_UCHAR *)out, &length);
        if (*fits >= 0) {
            pc_str_reset(text);
            pc_status status = pc_str_add(text, out, length);
            pc_free(out);
            return status;
        }
        pc_free(out);
        if (*fits != PCRE2_ERROR_NOMEMORY || length <= room) {
            return *fits == PCRE2_ERROR_NOMEMORY ? pc_fail_memory(length, "a rewritten text")
                                                 : pc_fail(PC_ERR_DATA, "a text can't be split into words: PCRE2 error %d", *fits);
        }
        room = length;
        PC_TRY(PC_NEW_ARRAY(out, room, "a rewritten text"));
    }
}

pc_status pc_rewrite_all(const pc_rewriter *self, pc_str *text)
{
    int fits;
    for (size_t i = 0; i < self->count && text->length; i++) {
        PC_TRY(apply(self, i, text, &fits));
    }
    return PC_OK;
}

pc_status pc_rewrite_first(const pc_rewriter *self, pc_str *text)
{
    int fits = 0;
    for (size_t i = 0; i < self->count && text->length && !fits; i++) {
        PC_TRY(apply(self, i, text, &fits));
    }
    return PC_OK;
}

pc_status pc_rewrite_find(const pc_rewriter *self, size_t rule, const pc_str *text, size_t from, size_t *start, size_t *end,
                          bool *found)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    if (!data) {
        return pc_fail_memory(0, "a place in a text");
    }
    int count = pcre2_match(self->code[rule], (PCRE2_SPTR)text->data, text->length, from, 0, data, NULL);
    *found = count >= 0;
    if (*found) {
        *start = pcre2_get_ovector_pointer(data)[0];
        *end = pcre2_get_ovector_pointer(data)[1];
    }
    pcre2_match_data_free(data);
    return count >= 0 || count == PCRE2_ERROR_NOMATCH ? PC_OK : pc_fail(PC_ERR_DATA, "a text can't be read: PCRE2 error %d", count);
}
