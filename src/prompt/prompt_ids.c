/* A prompt from ids that stand for themselves: runs of a placeholder are the slots of the media, in order. */
#include "prompt/prompt_parts.h"

#include <string.h>

void pc_prompt_empty(pc_prompt *prompt)
{
    pc_ids_reset(&prompt->ids);
    prompt->slot_count = 0;
    prompt->turn_count = 0;
    prompt->source = 0;
    prompt->prefix = 0;
}

pc_status pc_prompt_push_slot(pc_prompt *out, pc_media_kind kind, int index, size_t first, size_t count)
{
    PC_TRY(pc_grow(&out->slots, &out->slot_capacity, out->slot_count + 1, sizeof *out->slots,
                   "media slots"));
    out->slots[out->slot_count++] = (pc_slot){.kind = kind, .index = index, .first = first,
                                              .count = count};
    return PC_OK;
}

pc_status pc_prompt_slot_tokens(const pc_prompt_options *options, pc_media_kind kind, int index, size_t *count)
{
    if (options->media_id[kind] <= 0 || options->slot_tokens == NULL) {
        return pc_fail(PC_ERR_DATA, "the prompt has an %s, which this model does not take",
                       pc_media_kind_name(kind));
    }
    *count = 0;
    PC_TRY(options->slot_tokens(options->user, kind, index, count));
    if (*count == 0) {
        return pc_fail(PC_ERR_DATA, "%s %d takes no tokens", pc_media_kind_name(kind), index + 1);
    }
    return PC_OK;
}

/* The kind whose placeholder `id` is, or -1. */
static int placeholder_kind(const pc_prompt_options *options, int32_t id)
{
    for (int kind = 0; kind < PC_MEDIA_KINDS; kind++) {
        if (options->media_id[kind] > 0 && options->media_id[kind] == id) {
            return kind;
        }
    }
    return -1;
}

/* How many placeholders of each kind the ids must hold, against how many they do. */
static pc_status check_placeholders(const int32_t *ids, size_t count,
                                    const int media_count[PC_MEDIA_KINDS],
                                    const pc_prompt_options *options)
{
    size_t found[PC_MEDIA_KINDS] = {0};
    for (size_t i = 0; i < count; i++) {
        int kind = placeholder_kind(options, ids[i]);
        if (kind >= 0) {
            found[kind]++;
        }
    }
    for (int kind = 0; kind < PC_MEDIA_KINDS; kind++) {
        size_t wanted = 0;
        for (int index = 0; index < media_count[kind]; index++) {
            size_t tokens;
            PC_TRY(pc_prompt_slot_tokens(options, (pc_media_kind)kind, index, &tokens));
            if (!pc_add_size(wanted, tokens, &wanted)) {
                return pc_fail(PC_ERR_DATA, "the media take more tokens than can be counted");
            }
        }
        if (wanted != found[kind]) {
            return pc_fail(PC_ERR_DATA,
                           "the ids hold %zu %s tokens, but the %d %ss given take %zu", found[kind],
                           pc_media_kind_name((pc_media_kind)kind), media_count[kind],
                           pc_media_kind_name((pc_media_kind)kind), wanted);
        }
    }
    return PC_OK;
}

/* Whether the `tokens` ids from position `at` on are all the same placeholder. */
static pc_status check_run(const int32_t *ids, size_t count, size_t at, size_t tokens,
                           const char *kind, int index)
{
    for (size_t k = 0; k < tokens; k++) {
        if (at + k >= count || ids[at + k] != ids[at]) {
            return pc_fail(PC_ERR_DATA, "the %zu tokens of %s %d at position %zu end after %zu",
                           tokens, kind, index + 1, at, k);
        }
    }
    return PC_OK;
}

static pc_status take_ids(pc_prompt *out, const int32_t *ids, size_t count,
                          const pc_prompt_options *options)
{
    int next[PC_MEDIA_KINDS] = {0};
    PC_TRY(pc_ids_add(&out->ids, ids, count));
    PC_TRY(pc_grow(&out->trained, &out->capacity, count, 1, "loss mask"));
    if (count > 0) {
        memset(out->trained, 0, count);
    }
    for (size_t i = 0; i < count;) {
        int found = placeholder_kind(options, ids[i]);
        size_t tokens = 1;
        if (found >= 0) {
            pc_media_kind kind = (pc_media_kind)found;
            int index = next[kind]++;
            PC_TRY(pc_prompt_slot_tokens(options, kind, index, &tokens));
            PC_TRY(check_run(ids, count, i, tokens, pc_media_kind_name(kind), index));
            PC_TRY(pc_prompt_push_slot(out, kind, index, i, tokens));
        }
        i += tokens;
    }
    return PC_OK;
}

pc_status pc_prompt_from_ids(pc_prompt *out, const int32_t *ids, size_t count,
                             const int media_count[PC_MEDIA_KINDS],
                             const pc_prompt_options *options)
{
    size_t limit = options->limit > 0 ? options->limit : PC_PROMPT_MAX_TOKENS;
    pc_prompt_empty(out);
    if (count > limit) {
        return pc_fail(PC_ERR_DATA, "%zu ids were given, more than the %zu that fit", count, limit);
    }
    pc_status status = check_placeholders(ids, count, media_count, options);
    if (status == PC_OK) {
        status = take_ids(out, ids, count, options);
    }
    if (status != PC_OK) {
        pc_prompt_empty(out);
    }
    return status;
}
