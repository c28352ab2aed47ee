#include "base/yaml.h"
#include "clean/clean.h"

#include <stddef.h>

enum { FILE_LIMIT = 1 << 20 };

static const char *const policies[] = {"keep", "drop", NULL};
static const char *const duplicates[] = {"off", "picture", "pair", NULL};
static const char *const formats[] = {"webdataset", "jsonl", "none", NULL};

#define FIELD(key, kind, standard, least, most, text)                                                                   \
    {.name = #key, .type = kind, .offset = offsetof(pc_clean_options, key), .fallback = standard, .low = least, .high = most, \
     .help = text}
#define CHOICE(key, names, text) \
    {.name = #key, .type = PC_FIELD_CHOICE, .offset = offsetof(pc_clean_options, key), .choices = names, .help = text}
static const pc_field fields[] = {
    FIELD(min_words, PC_FIELD_INT, "0", 0, 1e9, "fewest words of a caption; an ideograph is a word"),
    FIELD(max_words, PC_FIELD_INT, "0", 0, 1e9, "most words of a caption; 0 = any"),
    FIELD(min_characters, PC_FIELD_INT, "0", 0, 1e9, "fewest characters of a caption"),
    FIELD(max_characters, PC_FIELD_INT, "0", 0, 1e9, "most characters of a caption; 0 = any"),
    FIELD(max_repeated, PC_FIELD_FLOAT, "0", 0, 1, "largest share of words that the caption had before; 0 = any"),
    FIELD(languages, PC_FIELD_TEXT, NULL, 0, 0, "languages of captions that are kept, as en,zh: guessed by script and frequent words"),
    CHOICE(unknown_language, policies, "captions whose language can't be told"),
    FIELD(max_text_uses, PC_FIELD_INT, "0", 0, 1e9, "drop captions that more samples have than this, all of them; 0 = none"),
    FIELD(min_bytes, PC_FIELD_INT, "0", 0, 1e12, "smallest file of a picture, bytes"),
    FIELD(min_side, PC_FIELD_INT, "0", 0, 1e6, "smallest shorter side of a picture, pixels"),
    FIELD(max_aspect, PC_FIELD_FLOAT, "0", 0, 1e6, "largest ratio of the longer side to the shorter; 0 = any"),
    FIELD(max_nsfw, PC_FIELD_FLOAT, "0", 0, 1, "largest punsafe, nsfw_score_opennsfw2, nsfw_score_gantman of the metadata; 0 = any"),
    FIELD(nsfw_words, PC_FIELD_TEXT, NULL, 0, 0, "words in the metadata's NSFW that are kept, as UNLIKELY,UNSURE"),
    FIELD(max_watermark, PC_FIELD_FLOAT, "0", 0, 1, "largest pwatermark, watermark_score of the metadata; 0 = any"),
    FIELD(min_aesthetic, PC_FIELD_FLOAT, "0", 0, 100, "smallest aesthetic, aesthetic_score, aesthetic_score_laion_v2 of the metadata"),
    FIELD(min_given_similarity, PC_FIELD_FLOAT, "0", 0, 100,
          "smallest similarity, clip_similarity_vitb32, clip_similarity_vitl14 of the metadata"),
    CHOICE(missing, policies, "samples whose metadata lack what one of these rules asks for"),
    CHOICE(duplicates, duplicates, "drop samples whose picture, or picture and caption, one that was kept has"),
    FIELD(near, PC_FIELD_INT, "-1", -1, 16,
          "pictures are the same when their perceptual hashes differ in so many of 64 bits at most; -1 = their files are equal"),
    FIELD(against, PC_FIELD_TEXT, NULL, 0, 0, "drop samples with a picture of this dataset (a benchmark); `near` counts here, too"),
    FIELD(clip, PC_FIELD_TEXT, NULL, 0, 0, "a CLIP or SigLIP model: how well picture and caption fit is measured and written"),
    FIELD(min_similarity, PC_FIELD_FLOAT, "0", 0, 1, "smallest cosine of picture and caption by that model"),
    CHOICE(format, formats, "what is kept: tar shards, a .jsonl file with pictures beside it, or the report alone"),
    FIELD(shard, PC_FIELD_INT, "10000", 1, 1e9, "samples of a tar shard"),
    /* The last one, since it is left out of what is written. */
    FIELD(threads, PC_FIELD_INT, "0", 0, 1024, "threads; 0 = one for each processor"),
};
#undef FIELD
#undef CHOICE
const pc_field_table pc_clean_fields = {fields, sizeof fields / sizeof fields[0]};

static pc_status set_value(void *user, const pc_yaml_value *value)
{
    return pc_fields_set(&pc_clean_fields, user, value->keys[0], value->text, value->where);
}

pc_status pc_clean_read_options(pc_clean_options *options, const char *path)
{
    return pc_yaml_read(path, FILE_LIMIT, 1, set_value, options);
}

pc_status pc_clean_write_options(const pc_clean_options *options, pc_json *into)
{
    const pc_field_table written = {fields, pc_clean_fields.count - 1};
    return pc_fields_to_json(&written, options, into);
}

static pc_status check_range(const char *name, int64_t least, int64_t most)
{
    return most > 0 && least > most ? pc_fail(PC_ERR_USAGE, "min_%s is above max_%s", name, name) : PC_OK;
}

pc_status pc_clean_check_options(const pc_clean_options *o)
{
    PC_TRY(check_range("words", o->min_words, o->max_words));
    PC_TRY(check_range("characters", o->min_characters, o->max_characters));
    if (o->max_aspect > 0 && o->max_aspect < 1) {
        return pc_fail(PC_ERR_USAGE, "max_aspect %g: the longer side is at least as long as the shorter one", o->max_aspect);
    }
    if (o->min_similarity > 0 && !o->clip) {
        return pc_fail(PC_ERR_USAGE, "min_similarity needs a model: clip");
    }
    return PC_OK;
}
