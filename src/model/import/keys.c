/* Keys of config.json that several families share: read in every spelling, written so that all versions read them. */
#include "model/import/import.h"

#include <string.h>

pc_status pc_import_rope(pc_json *json, const char *where)
{
    const pc_json *rope = pc_json_get(json, "rope_scaling");
    rope = pc_json_length(rope) ? rope : pc_json_get(json, "rope_parameters");
    const pc_json *theta = pc_json_get(rope, "rope_theta");
    if (pc_json_is_null(theta)) {
        return PC_OK;
    }
    if (!pc_json_is_number(theta)) {
        return pc_fail(PC_ERR_DATA, "%s: rope_parameters.rope_theta must be a number", where);
    }
    return pc_json_set(json, "rope_theta", pc_json_new_number(pc_json_number(theta, 0)));
}

pc_status pc_import_grids(pc_image_recipe *recipe, const pc_json *config, bool width_first, const char *where)
{
    const pc_json *list = pc_json_get(config, "image_grid_pinpoints");
    size_t count = pc_json_length(list);
    if (!pc_json_is_array(list) || !count || count > PC_IMAGE_MAX_GRIDS) {
        return pc_fail(PC_ERR_DATA, "%s: image_grid_pinpoints must be a list of 1 to %d pairs", where, PC_IMAGE_MAX_GRIDS);
    }
    for (size_t i = 0; i < count; i++) {
        for (int side = 0; side < 2; side++) {
            int64_t pixels = pc_json_integer(pc_json_at(pc_json_at(list, i), (size_t)side), 0);
            if (pixels < 1 || pixels > PC_IMAGE_MAX_SIDE) {
                return pc_fail(PC_ERR_DATA, "%s: image_grid_pinpoints[%zu]: expected two sides from 1 to %d", where, i,
                               PC_IMAGE_MAX_SIDE);
            }
            recipe->grid[i][width_first ? 1 - side : side] = (int)pixels;
        }
    }
    recipe->grid_count = (int)count;
    return PC_OK;
}

pc_status pc_import_layers(pc_encoder_select *select, const pc_json *node, int64_t usual, const char *key, const char *where)
{
    bool list = pc_json_is_array(node);
    size_t count = list ? pc_json_length(node) : 1;
    if (count < 1 || count > PC_ENCODER_STATES) {
        return pc_fail(PC_ERR_DATA, "%s: %s: expected 1 to %d layers, found %zu", where, key, PC_ENCODER_STATES, count);
    }
    for (size_t i = 0; i < count; i++) {
        const pc_json *item = list ? pc_json_at(node, i) : node;
        if (!(pc_json_is_integer(item) || (!list && pc_json_is_null(item)))) {
            return pc_fail(PC_ERR_DATA, "%s: %s must be a number or a list of numbers", where, key);
        }
        select->layer[i] = pc_json_integer(item, usual);
    }
    select->count = (int64_t)count;
    return PC_OK;
}

static bool is_usual(const pc_json *value)
{
    return pc_json_is_null(value) || (pc_json_is_bool(value) && !pc_json_bool(value, false)) ||
           (pc_json_is_integer(value) && pc_json_integer(value, 0) == 0);
}

/* Does the field count, or does it belong to something that this model does without? */
static bool counts(const pc_field_table *table, const char *key, const pc_json *all)
{
    const pc_field *field = pc_fields_find(table, key);
    return !field || !field->only_with || pc_json_integer(pc_json_get(all, field->only_with), 0) != 0;
}

pc_status pc_import_complete(pc_json *json, const pc_field_table *table, const void *config, const char *model_type)
{
    if (!json) {
        return PC_OK;
    }
    pc_json *all = pc_json_new_object();
    pc_status status = all ? pc_fields_to_json(table, config, all) : pc_fail_memory(0, "a configuration");
    for (void *it = pc_json_first(all); it && status == PC_OK; it = pc_json_next(all, it)) {
        const char *key = pc_json_key(it);
        if (pc_json_is_null(pc_json_get(json, key)) && !is_usual(pc_json_value(it)) && counts(table, key, all)) {
            status = pc_json_set(json, key, pc_json_copy(pc_json_value(it)));
        }
    }
    if (status == PC_OK && model_type && !pc_json_get(json, "model_type")) {
        status = pc_json_set(json, "model_type", pc_json_new_text(model_type));
    }
    pc_json_free(all);
    return status;
}

/* A copy of the rotary settings, with type and base as every version wants them. */
static pc_json *rope_of(const pc_json *json, bool *scaled)
{
    const pc_json *old = pc_json_get(json, "rope_scaling");
    old = pc_json_length(old) ? old : pc_json_get(json, "rope_parameters");
    const char *type = pc_json_get_text(old, "rope_type", pc_json_get_text(old, "type", "default"));
    pc_json *rope = pc_json_is_object(old) ? pc_json_copy(old) : pc_json_new_object();
    *scaled = strcmp(type, "default") != 0;
    pc_status status = pc_json_set(rope, "rope_theta", pc_json_new_number(pc_json_get_number(json, "rope_theta", 0)));
    if (status == PC_OK) {
        status = pc_json_set(rope, "rope_type", pc_json_new_text(type));
    }
    const pc_json *share = pc_json_get(json, "partial_rotary_factor");
    if (status == PC_OK && !pc_json_is_null(share) && pc_json_is_null(pc_json_get(rope, "partial_rotary_factor"))) {
        status = pc_json_set(rope, "partial_rotary_factor", pc_json_copy(share));
    }
    if (status != PC_OK) {
        pc_json_free(rope);
        return NULL;
    }
    return rope;
}

static pc_status write_rope(pc_json *json)
{
    bool scaled;
    pc_json *rope = rope_of(json, &scaled);
    if (!rope) {
        return pc_fail_memory(0, "a configuration");
    }
    if (scaled) { /* the key that versions before 5 read */
        pc_status status = pc_json_set(json, "rope_scaling", pc_json_copy(rope));
        if (status != PC_OK) {
            pc_json_free(rope);
            return status;
        }
    }
    return pc_json_set(json, "rope_parameters", rope);
}

pc_status pc_import_complete_llm(pc_json *json, const pc_model *model)
{
    const pc_llm_part *llm = &model->llm;
    PC_TRY(pc_import_complete(json, &llm->type->fields, llm->config, llm->type->model_type));
    PC_TRY(pc_json_set(json, "tie_word_embeddings", pc_json_new_bool(llm->info.tied)));
    return pc_fields_find(&llm->type->fields, "rope_theta") ? write_rope(json) : PC_OK;
}
