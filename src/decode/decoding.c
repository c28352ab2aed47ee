/* Methods by name, and the text that chooses among them. */
#include "decode/decoding.h"

#include "base/memory.h"
#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PC_METHOD(name) extern const pc_method pc_method_##name;
#include "decode/list.h"
#undef PC_METHOD

static const pc_method *const methods[] = {
#define PC_METHOD(name) &pc_method_##name,
#include "decode/list.h"
#undef PC_METHOD
    NULL,
};

static const char *const ends[] = {"likely", "first", "never", NULL};

static const pc_field search_fields[] = {
    {.name = "beams", .type = PC_FIELD_INT, .offset = offsetof(pc_decoding, beams), .fallback = "1", .low = 1, .high = 64,
     .help = "sequences that a beam search keeps; 1 = none"},
    {.name = "groups", .type = PC_FIELD_INT, .offset = offsetof(pc_decoding, groups), .fallback = "1", .low = 1, .high = 64,
     .help = "groups of beams that search on their own"},
    {.name = "diversity", .type = PC_FIELD_FLOAT, .offset = offsetof(pc_decoding, diversity), .fallback = "0", .low = 0,
     .high = 1e6, .help = "what a token loses for each beam of an earlier group that took it"},
    {.name = "length_penalty", .type = PC_FIELD_FLOAT, .offset = offsetof(pc_decoding, length_penalty), .fallback = "1",
     .low = -100, .high = 100, .help = "log-probabilities are divided by tokens to this power"},
    {.name = "early_stopping", .type = PC_FIELD_CHOICE, .offset = offsetof(pc_decoding, early_stopping), .choices = ends,
     .help = "likely: no open beam looks better; first: enough have ended; never: none can get better"},
    {.name = "votes", .type = PC_FIELD_INT, .offset = offsetof(pc_decoding, votes), .fallback = "1", .low = 1, .high = 1000,
     .help = "self-consistency: chains that are drawn and vote on the answer behind \"answer is\" or \"answer:\""},
    {.name = "draft", .type = PC_FIELD_TEXT, .offset = offsetof(pc_decoding, draft),
     .help = "speculative decoding, which changes no answer: ngram, or the folder of a small model of this vocabulary"},
    {.name = "draft_tokens", .type = PC_FIELD_INT, .offset = offsetof(pc_decoding, draft_tokens), .fallback = "16", .low = 1,
     .high = 256, .help = "most tokens that are read ahead"},
};
static const pc_field_table search_table = {search_fields, sizeof search_fields / sizeof search_fields[0]};

const pc_method *pc_method_at(size_t i)
{
    return i < sizeof methods / sizeof methods[0] ? methods[i] : NULL;
}

float pc_largest(const float *logits, int64_t count)
{
    float most = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        most = logits[i] > most ? logits[i] : most;
    }
    return most;
}

double pc_log_sum(const float *logits, int64_t count)
{
    double most = (double)pc_largest(logits, count), sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += exp((double)logits[i] - most);
    }
    return most + log(sum);
}

static pc_status unknown_method(const char *name)
{
    pc_str known = {0};
    pc_status status = PC_OK;
    for (size_t i = 0; methods[i] && status == PC_OK; i++) {
        status = pc_str_printf(&known, "%s%s", i ? ", " : "", methods[i]->name);
    }
    if (status == PC_OK) {
        status = pc_fail(PC_ERR_USAGE, "decoding: no method is named \"%.60s\"; there are %s", name, known.data);
    }
    pc_str_clear(&known);
    return status;
}

static pc_status choose_method(pc_decoding *out, const char *name)
{
    if (out->method) {
        return pc_fail(PC_ERR_USAGE, "decoding: %s and %.60s: one method at a time", out->method->name, name);
    }
    for (size_t i = 0; methods[i]; i++) {
        if (strcmp(methods[i]->name, name) == 0) {
            PC_TRY(pc_new_array(&out->config, 1, methods[i]->config_size, "a decoding method"));
            out->method = methods[i];
            out->beams = out->beams == 1 && methods[i]->beams ? methods[i]->beams : out->beams;
            return pc_fields_default(&methods[i]->fields, out->config);
        }
    }
    return unknown_method(name);
}

static pc_status set(pc_decoding *out, const char *key, const char *value)
{
    if (out->method && pc_fields_find(&out->method->fields, key)) {
        return pc_fields_set(&out->method->fields, out->config, key, value, "decoding");
    }
    return pc_fields_set(&search_table, out, key, value, "decoding");
}

static pc_status check(const pc_decoding *d)
{
    if (d->beams % d->groups) {
        return pc_fail(PC_ERR_USAGE, "decoding: %lld beams cannot be cut into %lld groups", (long long)d->beams,
                       (long long)d->groups);
    }
    if (d->groups > 1 && d->method && d->method->over_trust) {
        return pc_fail(PC_ERR_USAGE, "decoding: %s goes with one group of beams", d->method->name);
    }
    if (d->draft && (d->beams > 1 || d->method)) {
        return pc_fail(PC_ERR_USAGE, "decoding: draft goes with plain decoding, neither with beams nor with a method");
    }
    return PC_OK;
}

pc_status pc_decoding_parse(pc_decoding *out, const char *text)
{
    char *copy = NULL;
    *out = (pc_decoding){0};
    PC_TRY(pc_fields_default(&search_table, out));
    copy = pc_strdup(text ? text : "");
    if (!copy) {
        return pc_fail_memory(strlen(text), "a decoding method");
    }
    pc_status status = PC_OK;
    char *rest = copy;
    for (char *word; status == PC_OK && (word = strsep(&rest, ","));) {
        char *value = strchr(word, '=');
        if (value) {
            *value++ = '\0';
            status = set(out, word, value);
        } else if (word[0]) {
            status = choose_method(out, word);
        }
    }
    status = status == PC_OK ? check(out) : status;
    pc_free(copy);
    if (status != PC_OK) {
        pc_decoding_clear(out);
    }
    return status;
}

void pc_decoding_clear(pc_decoding *decoding)
{
    if (decoding->method) {
        pc_fields_clear(&decoding->method->fields, decoding->config);
    }
    pc_free(decoding->config);
    pc_fields_clear(&search_table, decoding);
    *decoding = (pc_decoding){0};
}

pc_status pc_decoding_help(pc_str *out)
{
    PC_TRY(pc_fields_help(&search_table, out));
    for (size_t i = 0; methods[i]; i++) {
        PC_TRY(pc_str_printf(out, "%s: %s\n", methods[i]->name, methods[i]->help));
        PC_TRY(pc_fields_help(&methods[i]->fields, out));
    }
    return PC_OK;
}
