/* Packing samples into a micro-batch.
 *
 *   history       rows     s ............................ e        each row sees [s, itself]
 *   independent   rows     s prefix | turn 1 | turn 2 | ... e      each row of a turn sees the prefix and [turn, itself]
 *                 position 0 .. p-1 | p ..   | p ..
 *
 * Targets: for each trained token the row that precedes it in its turn (for a turn's first token: the prefix' last row).
 * Easy to get wrong: the pictures go in the order of their slots, which need not be the order of their indices; nothing
 * is counted in before a sample is in as a whole.
 */
#include "data/batch_parts.h"

#include "base/memory.h"
#include "data/extents.h"
#include "ops/policy.h"
#include "ops/sides.h"
#include "prompt/question.h"

#include <inttypes.h>
#include <string.h>

enum {
    PIXELS, IDS, POSITIONS, RANGES, SOFT_ROWS, TARGET_ROWS, TARGET_IDS, TARGET_WEIGHTS, TEXT_ENDS, ANSWER_ENDS, ANSWER_ROWS,
    LABELS, EXPERIENCE, QUESTIONS, QUESTION_LENGTHS, ARRAYS
};
_Static_assert((int)ARRAYS == (int)PC_BATCH_ARRAYS, "one capacity for each array of a batch");

void pc_batch_maker_clear(pc_batch_maker *maker)
{
    pc_sample_clear(&maker->sample);
    pc_prompt_clear(&maker->prompt);
    pc_prompt_clear(&maker->other);
    pc_free(maker->changed);
    maker->changed = NULL;
    maker->changed_capacity = 0;
    pc_ids_clear(&maker->ids);
    pc_region_labels_clear(&maker->labels);
}

void pc_batch_reset(pc_batch *batch)
{
    batch->samples = batch->images = batch->tokens = batch->soft = batch->targets = batch->answers = 0;
}

void pc_batch_clear(pc_batch *batch)
{
    pc_free(batch->pixels);
    pc_free(batch->questions);
    pc_free(batch->question_lengths);
    pc_free(batch->ids);
    pc_free(batch->positions);
    pc_free(batch->ranges);
    pc_free(batch->soft_rows);
    pc_free(batch->target_rows);
    pc_free(batch->target_ids);
    pc_free(batch->target_weights);
    pc_free(batch->text_ends);
    pc_free(batch->answer_ends);
    pc_free(batch->answer_rows);
    pc_free(batch->labels);
    pc_free(batch->experience);
    memset(batch, 0, sizeof *batch);
}

#define ROOM(array, which, need) \
    pc_grow(&batch->array, &batch->capacity[which], (size_t)(need), sizeof *batch->array, "a batch")

pc_status pc_batch_room_for_rows(pc_batch *batch, int64_t rows)
{
    PC_TRY(ROOM(ids, IDS, batch->tokens + rows));
    PC_TRY(ROOM(positions, POSITIONS, batch->tokens + rows));
    PC_TRY(ROOM(ranges, RANGES, batch->tokens + rows));
    return ROOM(text_ends, TEXT_ENDS, batch->samples + 1);
}

pc_status pc_batch_room_for_answers(pc_batch *batch)
{
    PC_TRY(ROOM(answer_ends, ANSWER_ENDS, batch->answers + 2));
    PC_TRY(ROOM(labels, LABELS, batch->samples + 1));
    return ROOM(answer_rows, ANSWER_ROWS, batch->answers + 2);
}

pc_status pc_batch_room_for_experience(pc_batch *batch)
{
    return ROOM(experience, EXPERIENCE, batch->targets * PC_EXPERIENCE + 1);
}

static pc_status copy_questions(pc_batch *out, const pc_batch *from)
{
    size_t count = (size_t)(from->images * from->question);
    PC_TRY(pc_grow(&out->questions, &out->capacity[QUESTIONS], count, sizeof *out->questions, "a batch"));
    PC_TRY(pc_grow(&out->question_lengths, &out->capacity[QUESTION_LENGTHS], (size_t)from->images,
                   sizeof *out->question_lengths, "a batch"));
    memcpy(out->questions, from->questions, count * sizeof *out->questions);
    memcpy(out->question_lengths, from->question_lengths, (size_t)from->images * sizeof *out->question_lengths);
    return PC_OK;
}

pc_status pc_batch_copy_pictures(pc_batch *out, const pc_batch *from, int64_t size)
{
    PC_TRY(pc_grow(&out->pixels, &out->capacity[PIXELS], (size_t)(from->images * size) + 1, sizeof *out->pixels, "a batch"));
    PC_TRY(pc_grow(&out->soft_rows, &out->capacity[SOFT_ROWS], (size_t)from->soft + 1, sizeof *out->soft_rows, "a batch"));
    if (from->images > 0) {
        memcpy(out->pixels, from->pixels, (size_t)(from->images * size) * sizeof *out->pixels);
    }
    out->images = from->images;
    out->soft = from->soft;
    out->question = from->question;
    return from->question > 0 && from->images > 0 ? copy_questions(out, from) : PC_OK;
}

static pc_status room_for_targets(pc_batch *batch, int64_t targets)
{
    PC_TRY(ROOM(target_rows, TARGET_ROWS, targets));
    PC_TRY(ROOM(target_ids, TARGET_IDS, targets));
    return ROOM(target_weights, TARGET_WEIGHTS, targets);
}

pc_batch_added pc_batch_begin(const pc_batch *batch)
{
    return (pc_batch_added){batch->images, batch->tokens, batch->soft, batch->targets, batch->answers};
}

void pc_batch_commit(pc_batch *batch, const pc_batch_added *now)
{
    batch->images = now->images;
    batch->tokens = now->tokens;
    batch->soft = now->soft;
    batch->targets = now->targets;
    batch->answers = now->answers;
    batch->samples++;
}

pc_status pc_batch_add_target(pc_batch *batch, pc_batch_added *now, int64_t row, int32_t id, double weight)
{
    PC_TRY(room_for_targets(batch, now->targets + 1));
    batch->target_rows[now->targets] = (int32_t)row;
    batch->target_ids[now->targets] = id;
    batch->target_weights[now->targets++] = (float)weight;
    return PC_OK;
}

/* --- pictures --- */

static pc_status add_pixels(pc_batch *batch, pc_batch_added *now, const pc_loader_options *options, const pc_image *image,
                            int dx, int dy)
{
    size_t size = 3 * (size_t)options->image_width * (size_t)options->image_height;
    pc_image *moved = NULL;
    pc_status status = PC_OK;
    int width, height;
    PC_TRY(pc_image_recipe_size(options->recipe, image->width, image->height, &width, &height));
    if (width != options->image_width || height != options->image_height) {
        return pc_fail(PC_ERR_DATA, "the recipe makes %d x %d pixels of a picture of %d x %d, the encoder takes %" PRId64
                                    " x %" PRId64, width, height, image->width, image->height, options->image_width,
                       options->image_height);
    }
    int64_t images = now->images < options->batch_size ? options->batch_size : now->images + 1;
    PC_TRY(ROOM(pixels, PIXELS, (size_t)images * size)); /* at once for a picture a sample, the usual case */
    if (dx || dy) {
        PC_TRY(pc_image_shift(&moved, image, dx, dy));
    }
    status = pc_image_recipe_apply(options->recipe, moved ? moved : image, batch->pixels + (size_t)now->images * size);
    now->images += status == PC_OK;
    pc_image_free(moved);
    return status;
}

/* What the connector reads beside the newest picture. */
static pc_status add_question(pc_batch *batch, const pc_batch_added *now, pc_batch_maker *maker)
{
    const pc_loader_options *options = maker->options;
    pc_ids *ids = &maker->ids;
    const int64_t limit = options->question_limit, image = now->images - 1;
    if (!options->reader) {
        return PC_OK;
    }
    PC_TRY(pc_prompt_question(ids, options->reader, &maker->sample.conversation, (size_t)limit));
    PC_TRY(ROOM(questions, QUESTIONS, now->images * limit));
    PC_TRY(ROOM(question_lengths, QUESTION_LENGTHS, now->images));
    for (int64_t i = 0; i < limit; i++) {
        batch->questions[image * limit + i] = i < (int64_t)ids->count ? ids->data[i] : 0;
    }
    batch->question = limit;
    batch->question_lengths[image] = (int32_t)ids->count;
    return PC_OK;
}

/* Each soft token on a region predicts the region's words, whose weights add up to region_weight. */
static pc_status add_region_targets(pc_batch *batch, pc_batch_added *now, pc_batch_maker *maker, int64_t first_row, int image,
                                    int dx, int dy)
{
    const pc_loader_options *options = maker->options;
    const pc_region_labels *labels = &maker->labels;
    if (!(options->region_weight > 0) || maker->sample.region_count == 0) {
        return PC_OK;
    }
    PC_TRY(pc_region_label(&maker->labels, options, &maker->sample, image, dx, dy));
    for (int64_t token = 0; token < options->tokens_per_image; token++) {
        int region = labels->owner[token];
        const struct pc_region_words *words = region >= 0 ? &labels->words[region] : NULL;
        int count = !words ? 0 : labels->middle[token] == region ? words->all : words->shared;
        for (int word = 0; word < count; word++) {
            PC_TRY(pc_batch_add_target(batch, now, first_row + token, words->ids[word], options->region_weight / count));
        }
    }
    return PC_OK;
}

static pc_status add_slot(pc_batch *batch, pc_batch_added *now, pc_batch_maker *maker, const pc_slot *slot, int dx, int dy)
{
    int64_t first = batch->tokens + (int64_t)slot->first;
    const pc_sample *sample = &maker->sample;
    if ((size_t)slot->index >= sample->image_count) {
        return pc_fail(PC_ERR_DATA, "the conversation mentions picture %d, the sample has %zu", slot->index + 1,
                       sample->image_count);
    }
    PC_TRY(ROOM(soft_rows, SOFT_ROWS, now->soft + (int64_t)slot->count));
    for (size_t i = 0; i < slot->count; i++) {
        batch->ids[first + (int64_t)i] = maker->options->placeholders_stay ? maker->options->image_token : 0;
        batch->soft_rows[now->soft++] = (int32_t)(first + (int64_t)i);
    }
    PC_TRY(add_pixels(batch, now, maker->options, sample->images[slot->index], dx, dy));
    PC_TRY(add_question(batch, now, maker));
    return add_region_targets(batch, now, maker, first, slot->index, dx, dy);
}

/* --- conversations --- */

/* Ids that the model has embeddings for; the picture's placeholder is never looked up. */
static pc_status check_ids(const pc_loader_options *options, const pc_ids *ids)
{
    for (size_t i = 0; i < ids->count; i++) {
        int32_t id = ids->data[i];
        if ((id < 0 || id >= options->vocabulary) && !(options->recipe && id == options->image_token && !options->placeholders_stay)) {
            return pc_fail(PC_ERR_DATA, "token id %d is outside the model's vocabulary of %" PRId64, id,
                           options->vocabulary);
        }
    }
    return PC_OK;
}

static pc_status tokens_of_image(void *user, pc_media_kind kind, int index, size_t *out)
{
    const pc_loader_options *options = user;
    (void)kind;
    (void)index;
    *out = (size_t)options->tokens_per_image;
    return PC_OK;
}

/* Tokens that stay under the cutoff: whole turns. */
static pc_status cut_turns(const pc_prompt *prompt, int64_t cutoff, size_t *tokens, size_t *turns)
{
    *tokens = prompt->ids.count;
    *turns = prompt->turn_count;
    while (*tokens > (size_t)cutoff) {
        if (*turns <= 1) {
            return pc_fail(PC_ERR_DATA, "%zu tokens are more than the cutoff of %" PRId64, *tokens, cutoff);
        }
        *tokens = prompt->turns[--*turns - 1].last;
    }
    return PC_OK;
}

/* Rows [first, last) of the sample: a sequence whose rows see `prefix` rows and the ones from `first` to themselves. */
static void add_rows(pc_batch *batch, const pc_prompt *prompt, size_t prefix, size_t first, size_t last)
{
    int64_t base = batch->tokens;
    for (size_t i = first; i < last; i++) {
        int64_t row = base + (int64_t)i;
        batch->ids[row] = prompt->ids.data[i];
        batch->positions[row] = (int32_t)(prefix + i - first);
        batch->ranges[row] = (pc_attention_range){
            .prefix_begin = (int32_t)base,
            .prefix_end = (int32_t)(base + (int64_t)prefix),
            .begin = (int32_t)(base + (int64_t)first),
            .end = (int32_t)(row + 1),
        };
    }
}

/* The rows of a sample whose source ends where the prompt says. */
static void split_sides(pc_batch *batch, const pc_prompt *prompt, size_t tokens)
{
    size_t source = prompt->source;
    pc_sides_ranges(batch->ranges + batch->tokens, batch->tokens, (int64_t)source, (int64_t)tokens);
    for (size_t i = source; i < tokens; i++) {
        batch->positions[batch->tokens + (int64_t)i] = (int32_t)(i - source);
    }
}

/* Targets among tokens [first, last); `before` is the row ahead of the first of them, -1 when there is none. */
static pc_status add_answers(pc_batch *batch, pc_batch_added *now, const pc_prompt *prompt, size_t first, size_t last,
                             int64_t before)
{
    for (size_t i = first; i < last; i++) {
        if (prompt->trained[i] && before >= 0) {
            PC_TRY(pc_batch_add_target(batch, now, before, prompt->ids.data[i], 1));
        }
        before = batch->tokens + (int64_t)i;
    }
    return PC_OK;
}

static pc_status add_turns(pc_batch *batch, pc_batch_added *now, const pc_prompt *prompt, size_t turns)
{
    size_t prefix = prompt->prefix;
    int64_t before = prefix > 0 ? batch->tokens + (int64_t)prefix - 1 : -1;
    add_rows(batch, prompt, 0, 0, prefix);
    for (size_t t = 0; t < turns; t++) {
        const pc_turn *turn = &prompt->turns[t];
        add_rows(batch, prompt, prefix, turn->first, turn->last);
        PC_TRY(add_answers(batch, now, prompt, turn->first, turn->last, before));
    }
    return PC_OK;
}

pc_status pc_batch_add_slots(pc_batch *batch, pc_batch_added *now, pc_batch_maker *maker, size_t tokens, int dx, int dy)
{
    const pc_prompt *prompt = &maker->prompt;
    int64_t most = maker->options->max_images;
    for (size_t i = 0; i < prompt->slot_count && prompt->slots[i].first < tokens; i++) {
        if ((int64_t)i == most) {
            return pc_fail(PC_ERR_DATA, "more than %" PRId64 " picture%s in one sample", most, most == 1 ? "" : "s");
        }
        PC_TRY(add_slot(batch, now, maker, &prompt->slots[i], dx, dy));
    }
    return PC_OK;
}

pc_status pc_batch_prompt(pc_prompt *out, const pc_batch_maker *maker, const pc_conversation *conversation)
{
    const pc_loader_options *options = maker->options;
    bool invites = conversation->count > 0 && conversation->messages[conversation->count - 1].role != PC_ROLE_ASSISTANT;
    pc_prompt_options how = {.turns = options->turns, .slot_tokens = tokens_of_image, .user = (void *)options};
    how.invite = invites && options->kind == PC_BATCH_PROMPTS;
    how.media_id[PC_MEDIA_IMAGE] = options->image_token;
    how.media_open[PC_MEDIA_IMAGE] = options->image_open;
    how.media_close[PC_MEDIA_IMAGE] = options->image_close;
    how.bos_behind_media = options->bos_behind_pictures;
    how.source = options->source;
    how.start = options->start;
    PC_TRY(pc_prompt_build(out, options->tokenizer, options->chat, conversation, &how));
    return check_ids(options, &out->ids);
}

static pc_status add_conversation(pc_batch *batch, pc_batch_maker *maker, int dx, int dy, bool *shortened)
{
    const pc_loader_options *options = maker->options;
    pc_prompt *prompt = &maker->prompt;
    pc_batch_added now = pc_batch_begin(batch);
    size_t tokens, turns;
    PC_TRY(pc_batch_prompt(prompt, maker, &maker->sample.conversation));
    maker->fault = PC_FAULT_LENGTH;
    PC_TRY(cut_turns(prompt, options->cutoff, &tokens, &turns));
    maker->fault = PC_FAULT_ANSWER;
    PC_TRY(pc_batch_room_for_rows(batch, (int64_t)tokens));
    if (options->turns == PC_TURNS_INDEPENDENT) {
        PC_TRY(add_turns(batch, &now, prompt, turns));
    } else {
        add_rows(batch, prompt, 0, 0, tokens);
        if (options->source) {
            split_sides(batch, prompt, tokens);
        }
        PC_TRY(add_answers(batch, &now, prompt, 0, tokens, -1));
    }
    if (now.targets == batch->targets) {
        return pc_fail(PC_ERR_DATA, "there is no answer to learn from");
    }
    maker->fault = PC_FAULT_PICTURE;
    PC_TRY(pc_batch_add_slots(batch, &now, maker, tokens, dx, dy));
    now.tokens += (int64_t)tokens;
    *shortened = tokens < prompt->ids.count;
    pc_batch_commit(batch, &now);
    return PC_OK;
}

pc_status pc_batch_measure(pc_batch_maker *maker, pc_extent *out)
{
    const pc_loader_options *options = maker->options;
    pc_prompt *prompt = &maker->prompt;
    size_t tokens, turns;
    *out = (pc_extent){0};
    maker->fault = PC_FAULT_OTHER;
    PC_TRY(pc_batch_prompt(prompt, maker, &maker->sample.conversation));
    maker->fault = PC_FAULT_LENGTH;
    PC_TRY(cut_turns(prompt, options->cutoff, &tokens, &turns));
    for (size_t i = prompt->prefix > 0 ? prompt->prefix : 1; i < tokens; i++) { /* nothing stands before token 0 */
        out->targets += prompt->trained[i] != 0;
    }
    for (size_t i = 0; i < prompt->slot_count; i++) {
        out->images += prompt->slots[i].first < tokens;
    }
    maker->fault = PC_FAULT_ANSWER;
    if (out->targets == 0) {
        return pc_fail(PC_ERR_DATA, "there is no answer to learn from");
    }
    out->tokens = (int32_t)tokens;
    return PC_OK;
}

/* --- pairs --- */

/* The text of the first answer, as ids: what the tokenizer puts round a text, cut, then the end token. */
static pc_status text_ids(pc_batch_maker *maker, bool *shortened)
{
    const pc_loader_options *options = maker->options;
    const pc_conversation *conversation = &maker->sample.conversation;
    pc_ids *ids = &maker->ids;
    size_t m = 0, most = (size_t)options->cutoff - 1;
    unsigned flags = PC_TOKENIZE_ADD_SPECIAL;
    while (m < conversation->count && conversation->messages[m].role != PC_ROLE_ASSISTANT) {
        m++;
    }
    if (m == conversation->count) {
        return pc_fail(PC_ERR_DATA, "there is no answer whose text could belong to the picture");
    }
    const pc_message *message = &conversation->messages[m];
    pc_ids_reset(ids);
    for (size_t p = message->first; p < message->first + message->count; p++) {
        const pc_part *part = &conversation->parts[p];
        if (part->text) {
            PC_TRY(pc_tokenizer_encode(options->tokenizer, part->text, part->length, flags, ids));
            flags = PC_TOKENIZE_CONTINUE;
        }
    }
    if (ids->count > 0 && ids->data[ids->count - 1] == options->end_token) {
        ids->count--;
    }
    *shortened = ids->count > most;
    ids->count = *shortened ? most : ids->count;
    return pc_ids_push(ids, (int32_t)options->end_token);
}

static pc_status add_pair(pc_batch *batch, pc_batch_maker *maker, int dx, int dy, bool *shortened)
{
    pc_batch_added now = pc_batch_begin(batch);
    const pc_loader_options *options = maker->options;
    const pc_sample *sample = &maker->sample;
    const pc_ids *ids = &maker->ids;
    int64_t first = batch->tokens, end = batch->tokens;
    maker->fault = PC_FAULT_PICTURE;
    if (sample->image_count == 0) {
        return pc_fail(PC_ERR_DATA, "there is no picture");
    }
    maker->fault = PC_FAULT_ANSWER;
    PC_TRY(text_ids(maker, shortened));
    PC_TRY(check_ids(options, ids));
    PC_TRY(pc_batch_room_for_rows(batch, (int64_t)ids->count));
    for (size_t i = 0; i < ids->count; i++, end++) {
        batch->ids[end] = ids->data[i];
        batch->positions[end] = (int32_t)i;
        batch->ranges[end] = (pc_attention_range){(int32_t)first, (int32_t)first, (int32_t)first, (int32_t)end + 1};
    }
    batch->text_ends[batch->samples] = (int32_t)end - 1;
    PC_TRY(pc_batch_add_target(batch, &now, end - 1, (int32_t)batch->samples, 1)); /* the diagonal */
    maker->fault = PC_FAULT_PICTURE;
    PC_TRY(add_pixels(batch, &now, options, sample->images[0], dx, dy));
    now.tokens = end;
    pc_batch_commit(batch, &now);
    return PC_OK;
}

/* --- regions --- */

static pc_status add_regions(pc_batch *batch, pc_batch_maker *maker, int dx, int dy, bool *shortened)
{
    const pc_loader_options *options = maker->options;
    const pc_sample *sample = &maker->sample;
    pc_batch_added now = pc_batch_begin(batch);
    *shortened = false;
    maker->fault = PC_FAULT_PICTURE;
    if (sample->image_count > (size_t)options->max_images) {
        return pc_fail(PC_ERR_DATA, "%zu pictures in one sample are more than %" PRId64, sample->image_count,
                       options->max_images);
    }
    for (size_t i = 0; i < sample->image_count; i++) {
        PC_TRY(add_pixels(batch, &now, options, sample->images[i], dx, dy));
        PC_TRY(add_region_targets(batch, &now, maker, now.soft, (int)i, dx, dy));
        now.soft += options->tokens_per_image;
    }
    if (now.targets == batch->targets) {
        return pc_fail(PC_ERR_DATA, "there is no picture with regions to learn from");
    }
    pc_batch_commit(batch, &now);
    return PC_OK;
}

pc_status pc_batch_add(pc_batch *batch, pc_batch_maker *maker, int dx, int dy, bool *shortened)
{
    maker->fault = PC_FAULT_OTHER;
    switch (maker->options->kind) {
    case PC_BATCH_PAIRS: return add_pair(batch, maker, dx, dy, shortened);
    case PC_BATCH_PREFERENCES: return pc_batch_add_preference(batch, maker, dx, dy);
    case PC_BATCH_LABELLED:
    case PC_BATCH_PROMPTS: return pc_batch_add_prompt(batch, maker, dx, dy);
    case PC_BATCH_REGIONS: return add_regions(batch, maker, dx, dy, shortened);
    default: return add_conversation(batch, maker, dx, dy, shortened);
    }
}
