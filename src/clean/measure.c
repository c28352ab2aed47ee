/* A word is what stands between blanks, and each ideograph and kana; letters and digits of it are compared without capitals. */
#include "clean/measure.h"

#include "base/memory.h"
#include "clean/language.h"
#include "media/picture_hash.h"

#include <math.h>
#include <string.h>
#include <utf8proc.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* --- the caption --- */

static pc_status caption_of(pc_str *out, const pc_conversation *conversation)
{
    for (size_t m = 0; m < conversation->count; m++) {
        const pc_message *message = &conversation->messages[m];
        if (message->role != PC_ROLE_ASSISTANT) {
            continue;
        }
        PC_TRY(out->length ? pc_str_putc(out, '\n') : PC_OK);
        for (size_t p = message->first; p < message->first + message->count; p++) {
            const pc_part *part = &conversation->parts[p];
            PC_TRY(part->text ? pc_str_add(out, part->text, part->length) : PC_OK);
        }
    }
    return PC_OK;
}

static bool is_blank(unsigned c)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return (c >= '\t' && c <= '\r') || category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

/* Ideographs and kana, which are written without blanks. */
static bool stands_alone(unsigned c)
{
    return (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

static bool counts_in_word(unsigned c)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

/* The words so far, and a table of those that were there before. */
typedef struct word_count {
    uint64_t *slots; /* [size] hashes, 0 = free */
    size_t size;     /* a power of two above twice the number of words */
    int64_t words, repeated;
} word_count;

static void end_word(word_count *count, const pc_str *word)
{
    uint64_t hash = XXH3_64bits(word->data ? word->data : "", word->length) | 1;
    size_t at = hash & (count->size - 1);
    count->words++;
    if (word->length == 0) {
        return; /* signs alone */
    }
    while (count->slots[at] && count->slots[at] != hash) {
        at = (at + 1) & (count->size - 1);
    }
    count->repeated += count->slots[at] == hash;
    count->slots[at] = hash;
}

static pc_status add_lower(pc_str *word, unsigned c)
{
    char bytes[4];
    int size = pc_utf8_encode((unsigned)utf8proc_tolower((utf8proc_int32_t)c), bytes);
    return counts_in_word(c) ? pc_str_add(word, bytes, (size_t)size) : PC_OK;
}

static pc_status count_words(pc_clean_measures *out, word_count *count)
{
    pc_str word = {0};
    bool open = false;
    pc_status status = PC_OK;
    for (size_t i = 0; i < out->length && status == PC_OK; out->characters++) {
        unsigned c = 0;
        int used = pc_utf8_decode(out->text + i, out->length - i, &c);
        bool alone = used > 0 && stands_alone(c), blank = used > 0 && is_blank(c);
        i += used > 0 ? (size_t)used : 1;
        if (open && (blank || alone)) {
            end_word(count, &word);
            pc_str_reset(&word);
            open = false;
        }
        if (!blank) {
            status = add_lower(&word, c);
            open = true;
        }
        if (alone && status == PC_OK) {
            end_word(count, &word);
            pc_str_reset(&word);
            open = false;
        }
    }
    if (open && status == PC_OK) {
        end_word(count, &word);
    }
    pc_str_clear(&word);
    return status;
}

static pc_status measure_text(pc_clean_measures *out)
{
    word_count count = {.size = 16};
    while (count.size < 2 * out->length + 2) {
        count.size *= 2;
    }
    PC_TRY(PC_NEW_ARRAY(count.slots, count.size, "the words of a caption"));
    pc_status status = count_words(out, &count);
    pc_free(count.slots);
    out->words = count.words;
    out->repeated = count.words > 0 ? (double)count.repeated / (double)count.words : 0;
    out->language = pc_language_guess(out->text ? out->text : "", out->length);
    out->text_hash = XXH3_64bits(out->text ? out->text : "", out->length);
    return status;
}

/* --- pictures --- */

static void add_content(XXH3_state_t *state, const pc_sample *sample, size_t i)
{
    const pc_image *image = sample->images[i];
    if (sample->encoded_count == sample->image_count) {
        (void)XXH3_128bits_update(state, &sample->encoded[i].length, sizeof sample->encoded[i].length);
        (void)XXH3_128bits_update(state, sample->encoded[i].data, sample->encoded[i].length);
    } else {
        int sides[2] = {image->width, image->height};
        (void)XXH3_128bits_update(state, sides, sizeof sides);
        (void)XXH3_128bits_update(state, image->pixels, 3 * (size_t)image->width * (size_t)image->height);
    }
}

static void measure_sizes(pc_clean_measures *out, const pc_sample *sample)
{
    out->pictures = (int64_t)sample->image_count;
    out->width = sample->images[0]->width;
    out->height = sample->images[0]->height;
    for (size_t i = 0; i < sample->image_count; i++) {
        const pc_image *image = sample->images[i];
        int shorter = image->width < image->height ? image->width : image->height;
        int longer = image->width < image->height ? image->height : image->width;
        double aspect = (double)longer / shorter;
        out->side = i == 0 || shorter < out->side ? shorter : out->side;
        out->aspect = aspect > out->aspect ? aspect : out->aspect;
        if (sample->encoded_count == sample->image_count) {
            int64_t bytes = (int64_t)sample->encoded[i].length;
            out->bytes = i == 0 || bytes < out->bytes ? bytes : out->bytes;
        }
    }
}

static pc_status hash_pictures(pc_clean_measures *out, const pc_sample *sample)
{
    XXH3_state_t state;
    (void)XXH3_128bits_reset(&state);
    for (size_t i = 0; i < sample->image_count; i++) {
        add_content(&state, sample, i);
    }
    XXH128_hash_t hash = XXH3_128bits_digest(&state);
    out->content[0] = hash.low64;
    out->content[1] = hash.high64;
    return pc_image_phash(&out->phash, sample->images[0]);
}

pc_status pc_clean_measure(pc_clean_measures *out, const pc_sample *sample, bool hashed)
{
    pc_str text = {0};
    pc_status status = caption_of(&text, &sample->conversation);
    out->text = text.data;
    out->length = text.length;
    out->similarity = NAN;
    PC_TRY(status);
    PC_TRY(measure_text(out));
    if (sample->image_count == 0) {
        return PC_OK;
    }
    measure_sizes(out, sample);
    return hashed ? hash_pictures(out, sample) : PC_OK;
}

pc_status pc_clean_hash_text(uint64_t *out, const pc_sample *sample)
{
    pc_str text = {0};
    pc_status status = caption_of(&text, &sample->conversation);
    *out = XXH3_64bits(text.data ? text.data : "", text.length);
    pc_str_clear(&text);
    return status;
}

void pc_clean_measures_clear(pc_clean_measures *measures)
{
    pc_free(measures->text);
    *measures = (pc_clean_measures){0};
}
