#include "train/data.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/dataset_info.h"
#include "model/fingerprint.h"
#include "train/mix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A name in dataset_info.json, when the text is neither a path nor a generated dataset. */
static pc_status open_named(pc_train_data *data, const pc_recipe *recipe, const char *name, pc_dataset_options options)
{
    pc_dataset_entry entry;
    pc_status status = pc_dataset_info_find(&entry, recipe->dataset_dir, name);
    if (status == PC_OK) {
        options.rows = &entry.format;
        options.image_folder = options.image_folder ? options.image_folder : recipe->dataset_dir;
        options.limit = options.limit ? options.limit : entry.limit;
        status = pc_dataset_open(&data->datasets[data->count], entry.path, recipe->dataset_format, &options);
    }
    pc_dataset_entry_clear(&entry);
    return status;
}

static pc_status open_entry(pc_train_data *data, const pc_recipe *recipe, const char *text, const char *index_folder)
{
    pc_dataset_options options = {
        .image_folder = recipe->media_dir, .limit = recipe->max_samples, .index_folder = index_folder};
    if (data->count == PC_TRAIN_DATASETS) {
        return pc_fail(PC_ERR_USAGE, "dataset: more than %d entries", PC_TRAIN_DATASETS);
    }
    bool plain = pc_path_exists(text) || pc_dataset_is_generated(text) || strchr(text, '?') || strchr(text, '/');
    PC_TRY(!plain && pc_dataset_info_exists(recipe->dataset_dir)
               ? open_named(data, recipe, text, options)
               : pc_dataset_open(&data->datasets[data->count], text, recipe->dataset_format, &options));
    data->count++;
    return PC_OK;
}

static pc_status open_datasets(pc_train_data *data, const pc_recipe *recipe)
{
    char *list = pc_strdup(recipe->dataset), *rest = list;
    char *folder = pc_path_join(recipe->output_dir, "index");
    pc_status status = list && folder ? PC_OK : pc_fail_memory(strlen(recipe->dataset), "a list");
    for (char *text; status == PC_OK && (text = strsep(&rest, ","));) {
        status = open_entry(data, recipe, text + strspn(text, " "), folder);
    }
    pc_free(folder);
    pc_free(list);
    return status;
}

/* "0.3,0.7" */
static pc_status read_weights(pc_train_data *data, const char *text)
{
    int count = 0;
    for (const char *at = text; *at;) {
        char *end;
        double value = strtod(at, &end);
        if (end == at || !(value >= 0) || count == data->count || (*end && *end != ',')) {
            break;
        }
        data->weights[count++] = value;
        at = *end ? end + 1 : end;
    }
    if (count != data->count) {
        return pc_fail(PC_ERR_USAGE, "interleave_probs '%s': expected %d numbers, one for each dataset", text, data->count);
    }
    return PC_OK;
}

/* Shares for the loader; data->mixed tells whether there are any. */
static pc_status mix(pc_train_data *data, const pc_recipe *recipe)
{
    int64_t sizes[PC_TRAIN_DATASETS];
    double factors[PC_TRAIN_DATASETS];
    data->mixed = recipe->interleave_probs || recipe->mix_strategy != PC_MIX_CONCAT;
    PC_TRY(recipe->interleave_probs ? read_weights(data, recipe->interleave_probs) : PC_OK);
    if (recipe->mix_strategy != PC_MIX_CONCAT) {
        for (int i = 0; i < data->count; i++) {
            sizes[i] = pc_dataset_count(data->datasets[i]);
            factors[i] = recipe->interleave_probs ? data->weights[i] : 1;
        }
        pc_mix_weights(data->weights, sizes, factors, data->count,
                       recipe->mix_strategy == PC_MIX_SQRT ? 2 : recipe->mix_temperature);
    }
    return PC_OK;
}

/* What the sizes of samples depend on, as text. */
static pc_status describe_sizes(pc_str *out, const pc_train_data *data, const pc_recipe *recipe, const pc_model *model,
                                const pc_loader_options *options)
{
    pc_fingerprint print;
    PC_TRY(pc_fingerprint_of(&print, model));
    PC_TRY(pc_str_printf(out, "%s\n%s\n%s\n%s\n%lld %d %lld %lld %d %d\n", print.whole, recipe->dataset,
                         recipe->dataset_dir ? recipe->dataset_dir : "", options->chat ? options->chat->name : "",
                         (long long)options->cutoff, (int)options->turns, (long long)options->tokens_per_image,
                         (long long)options->max_images, options->image_open, options->image_close));
    for (int i = 0; i < data->count; i++) {
        PC_TRY(pc_dataset_describe(data->datasets[i], out));
    }
    return PC_OK;
}

/* output_dir/index/<start of the SHA-256 of that text>.sizes; free with pc_free. */
static pc_status name_sizes(char **out, const pc_train_data *data, const pc_recipe *recipe, const pc_model *model,
                            const pc_loader_options *options)
{
    pc_str text = {0};
    char hex[65], name[32];
    char *folder = pc_path_join(recipe->output_dir, "index");
    pc_status status = folder ? describe_sizes(&text, data, recipe, model, options) : pc_fail_memory(0, "a path");
    if (status == PC_OK) {
        pc_sha256(text.data, text.length, hex);
        snprintf(name, sizeof name, "%.16s.sizes", hex);
        *out = pc_path_join(folder, name);
        status = *out ? PC_OK : pc_fail_memory(0, "a path");
    }
    pc_str_clear(&text);
    pc_free(folder);
    return status;
}

/* Ids of a question in training, as LAVIS has it (max_txt_len). */
enum { QUESTION_IDS = 128 };

static pc_status open_loader(pc_train_data *data, const pc_recipe *recipe, const pc_model *model, const pc_stage *stage)
{
    int64_t side = model->encoder.type ? model->encoder.info.image_size : 0;
    bool conversations = pc_batch_is_of_language(stage->batches);
    pc_loader_options options = {
        .kind = stage->batches,
        .tokenizer = model->tokenizer,
        .chat = model->chat,
        .recipe = model->encoder.type ? &model->recipe : NULL,
        .turns = (pc_prompt_turns)recipe->turns,
        .image_token = (int32_t)model->image_token,
        .vocabulary = model->contrast.present ? model->contrast.config.vocab_size : model->llm.info.vocabulary,
        .image_open = model->image_open,
        .image_close = model->image_close,
        .bos_behind_pictures = model->bos_behind_pictures,
        .reader = model->reader,
        .question_limit = model->connector.text_limit < QUESTION_IDS ? model->connector.text_limit : QUESTION_IDS,
        .source = model->llm.info.source,
        .start = (int32_t)model->llm.info.start,
        .tokens_per_image = !model->connector.type ? 0 : pc_model_pictures_apart(model) ? 1 : model->connector.tokens,
        .placeholders_stay = pc_model_pictures_apart(model),
        .image_width = side,
        .image_height = side,
        .max_images = recipe->max_images,
        .batch_size = recipe->batch_size,
        .accumulation = recipe->accumulation,
        .cutoff = recipe->cutoff_len,
        .end_token = model->contrast.present ? model->contrast.config.eos_token_id : 0,
        .changed_weight = recipe->preference.changed_weight,
        .region_weight = recipe->region_weight,
        .shift = (int)recipe->image_shift,
        .mirror = recipe->image_mirror,
        .seed = (uint64_t)recipe->seed,
        .workers = (int)recipe->dataloader_num_workers,
        .strict = recipe->strict,
        .packing = recipe->packing || recipe->neat_packing,
        .group_by_length = recipe->group_by_length,
    };
    if (stage->batches == PC_BATCH_PAIRS && options.cutoff > model->contrast.config.max_position_embeddings) {
        options.cutoff = model->contrast.config.max_position_embeddings; /* a text tower has no more positions */
    }
    if (conversations && model->tiles.merge != PC_MERGE_NONE) {
        return pc_fail(PC_ERR_DATA, "pictures cut into tiles can be answered about, not trained on yet");
    }
    if (conversations && model->connector.text_limit && !model->reader) {
        return pc_fail(PC_ERR_DATA, "the connector reads questions by a tokenizer of its own, and there is no qformer_tokenizer");
    }
    if (model->llm.info.source && (stage->batches != PC_BATCH_LANGUAGE || options.turns != PC_TURNS_HISTORY)) {
        return pc_fail(PC_ERR_DATA, "an encoder-decoder trains in stages pt and sft, on turns that see their history");
    }
    if (model->llm.info.by_distance && (stage->batches != PC_BATCH_LANGUAGE || options.turns != PC_TURNS_HISTORY)) {
        return pc_fail(PC_ERR_DATA, "a language model that counts distances trains in stages pt and sft, on turns that see their history");
    }
    if (model->llm.info.rotary_limit && recipe->cutoff_len > model->llm.info.rotary_limit) {
        return pc_fail(PC_ERR_DATA, "cutoff_len is %lld; beyond %lld tokens this model's rotary positions depend on the length "
                                    "of each text, which packed training can't follow",
                       (long long)recipe->cutoff_len, (long long)model->llm.info.rotary_limit);
    }
    if (model->one_position) {
        return pc_fail(PC_ERR_DATA, "the tokens of this model's pictures share a position, which training doesn't give them");
    }
    if (conversations && !model->chat) {
        return pc_fail(PC_ERR_DATA, "the model's chat template is not known; set template");
    }
    const pc_dataset *datasets[PC_TRAIN_DATASETS];
    memcpy(datasets, data->datasets, sizeof datasets);
    if (options.packing || options.group_by_length) {
        PC_TRY(name_sizes(&data->sizes_file, data, recipe, model, &options));
        options.sizes_file = data->sizes_file;
    }
    return pc_loader_new(&data->loader, datasets, data->mixed ? data->weights : NULL, data->count, &options);
}

pc_status pc_train_data_open(pc_train_data *out, const pc_recipe *recipe, const pc_model *model, const pc_stage *stage)
{
    PC_TRY(open_datasets(out, recipe));
    PC_TRY(mix(out, recipe));
    return open_loader(out, recipe, model, stage);
}

int pc_train_data_find(const pc_train_data *data, int64_t *index)
{
    int d = 0;
    while (d < data->count && *index >= pc_dataset_count(data->datasets[d])) {
        *index -= pc_dataset_count(data->datasets[d++]);
    }
    return d;
}

void pc_train_data_close(pc_train_data *data)
{
    pc_loader_free(data->loader);
    for (int i = 0; i < data->count; i++) {
        pc_dataset_close(data->datasets[i]);
    }
    pc_free(data->sizes_file);
    memset(data, 0, sizeof *data);
}
