#include "train/data.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/dataset_info.h"

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
        .tokens_per_image = model->connector.type ? model->connector.tokens : 0,
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
    };
    if (stage->batches == PC_BATCH_PAIRS && options.cutoff > model->contrast.config.max_position_embeddings) {
        options.cutoff = model->contrast.config.max_position_embeddings; /* a text tower has no more positions */
    }
    if (conversations && model->tiles.merge != PC_MERGE_NONE) {
        return pc_fail(PC_ERR_DATA, "pictures cut into tiles can be answered about, not trained on yet");
    }
    if (model->llm.info.rotary_limit && recipe->cutoff_len > model->llm.info.rotary_limit) {
        return pc_fail(PC_ERR_DATA, "cutoff_len is %lld; beyond %lld tokens this model's rotary positions depend on the length "
                                    "of each text, which packed training can't follow",
                       (long long)recipe->cutoff_len, (long long)model->llm.info.rotary_limit);
    }
    if (conversations && !model->chat) {
        return pc_fail(PC_ERR_DATA, "the model's chat template is not known; set template");
    }
    const pc_dataset *datasets[PC_TRAIN_DATASETS];
    memcpy(datasets, data->datasets, sizeof datasets);
    return pc_loader_new(&data->loader, datasets, recipe->interleave_probs ? data->weights : NULL, data->count, &options);
}

pc_status pc_train_data_open(pc_train_data *out, const pc_recipe *recipe, const pc_model *model, const pc_stage *stage)
{
    PC_TRY(open_datasets(out, recipe));
    if (recipe->interleave_probs) {
        PC_TRY(read_weights(out, recipe->interleave_probs));
    }
    return open_loader(out, recipe, model, stage);
}

void pc_train_data_close(pc_train_data *data)
{
    pc_loader_free(data->loader);
    for (int i = 0; i < data->count; i++) {
        pc_dataset_close(data->datasets[i]);
    }
    memset(data, 0, sizeof *data);
}
