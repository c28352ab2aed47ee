/* Parsing, and what a model must have. The rules themselves: ops/keep_rows.c, ops/token_merge.c, ops/prune_merge.c. */
#include "model/visual.h"

#include "encoder/transformer.h"
#include "model/model.h"

#include <string.h>

typedef struct way {
    const char *name, *help;
    pc_visual_kind kind;
    pc_field_table fields;
} way;

#define FIELD(member, spelling, kind, standard, least, most, text)                                                     \
    {.name = spelling, .type = kind, .offset = offsetof(pc_visual_tokens, member), .fallback = standard, .low = least, \
     .high = most, .help = text}
static const pc_field fastv_fields[] = {
    FIELD(layer, "layer", PC_FIELD_INT, "2", 1, 1024, "of the language model: tokens leave before it"),
    FIELD(keep, "keep", PC_FIELD_FLOAT, "0.5", 0, 1, "share of the pictures' tokens that stays"),
};
static const pc_field tome_fields[] = {
    FIELD(merge.merged, "merged", PC_FIELD_INT, "16", 0, 65536, "tokens that a block of the tower merges"),
    FIELD(merge.inflect, "inflect", PC_FIELD_FLOAT, "0", -1, 1, "-1: most in the first blocks, 0: the same in all, 1: most in the last"),
    FIELD(merge.proportional, "proportional", PC_FIELD_BOOL, "true", 0, 0, "attention counts a merged token as often as its parts"),
};
static const pc_field prumerge_fields[] = {
    FIELD(keep, "keep", PC_FIELD_FLOAT, "0", 0, 1, "share of the tokens that is chosen; 0 = those whose attention is an outlier"),
    FIELD(near, "near", PC_FIELD_INT, "32", 0, 65536, "tokens that join each chosen one"),
    FIELD(spread, "spread", PC_FIELD_BOOL, "false", 0, 0, "tokens at even distances are chosen, too (PruMerge+)"),
};
#undef FIELD

#define TABLE(fields) {fields, sizeof fields / sizeof fields[0]}
static const way ways[] = {
    {"none", "every token of a picture is read", PC_VISUAL_ALL, {NULL, 0}},
    {"fastv", "the least attended tokens leave the language model (Chen et al. 2024)", PC_VISUAL_FASTV, TABLE(fastv_fields)},
    {"tome", "alike tokens are merged in the vision tower (Bolya et al. 2023)", PC_VISUAL_TOME, TABLE(tome_fields)},
    {"prumerge", "the tokens that the class token looks at, the others merged into them (Shang et al. 2024)", PC_VISUAL_PRUMERGE,
     TABLE(prumerge_fields)},
};
enum { WAYS = sizeof ways / sizeof ways[0] };

static pc_status find_way(const char *name, const way **out)
{
    for (size_t i = 0; i < WAYS; i++) {
        if (strcmp(ways[i].name, name) == 0) {
            *out = &ways[i];
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_USAGE, "visual_tokens: no way is named \"%.60s\"; there are none, fastv, tome, prumerge", name);
}

pc_status pc_visual_parse(pc_visual_tokens *out, const char *text)
{
    char *copy = pc_strdup(text && *text ? text : "none"), *rest = copy;
    const way *chosen = NULL;
    pc_status status = copy ? PC_OK : pc_fail_memory(0, "visual_tokens");
    *out = (pc_visual_tokens){0};
    if (status == PC_OK) {
        status = find_way(strsep(&rest, ","), &chosen);
    }
    if (status == PC_OK) {
        out->kind = chosen->kind;
        status = pc_fields_default(&chosen->fields, out);
    }
    for (char *word; status == PC_OK && (word = strsep(&rest, ","));) {
        char *value = strchr(word, '=');
        if (!value) {
            status = pc_fail(PC_ERR_USAGE, "visual_tokens: expected SETTING=VALUE, found \"%.60s\"", word);
            break;
        }
        *value++ = '\0';
        status = pc_fields_set(&chosen->fields, out, word, value, "visual_tokens");
    }
    pc_free(copy);
    return status;
}

pc_status pc_visual_help(pc_str *out)
{
    for (size_t i = 0; i < WAYS; i++) {
        PC_TRY(pc_str_printf(out, "%s: %s\n", ways[i].name, ways[i].help));
        PC_TRY(pc_fields_help(&ways[i].fields, out));
    }
    return PC_OK;
}

/* --- what a model must have --- */

static pc_status refuse(const pc_model *model, const pc_visual_tokens *visual, const char *why)
{
    return pc_fail(PC_ERR_DATA, "%s: visual_tokens %s: %s", model->path ? model->path : "the model", ways[visual->kind].name, why);
}

static pc_status check_fastv(const pc_model *model, const pc_visual_tokens *visual)
{
    if (!model->llm.type || !model->llm.type->drops) {
        return refuse(model, visual, "its language model can't let tokens leave between layers");
    }
    if (model->bridge.type || model->detail.tower.type) {
        return refuse(model, visual, "layers of its language model read pictures by their place in the text");
    }
    return visual->layer < model->llm.info.layers
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "%s: visual_tokens fastv: layer %lld of %lld; expected 1 to %lld",
                         model->path ? model->path : "the model", (long long)visual->layer, (long long)model->llm.info.layers,
                         (long long)model->llm.info.layers - 1);
}

/* What the connector is told of a picture with fewer features: they form no grid. */
static pc_connector_dims dims_of(const pc_model *model, int64_t tokens)
{
    pc_connector_dims dims;
    pc_model_picture_dims(model, model->encoder.info.image_size, model->encoder.info.image_size, &dims);
    dims.tokens = tokens;
    dims.rows = dims.columns = 0;
    return dims;
}

/* Whether as many tokens leave the connector as enter it. */
static bool is_tokenwise(const pc_model *model)
{
    const pc_connector_part *connector = &model->connector;
    const pc_connector_dims all = dims_of(model, model->encoder.patches), some = dims_of(model, 5);
    return connector->type->tokens(connector->config, &all) == model->encoder.patches &&
           connector->type->tokens(connector->config, &some) == 5;
}

static pc_status check_tower(const pc_model *model, const pc_visual_tokens *visual)
{
    const pc_encoder_part *encoder = &model->encoder;
    const bool prunes = visual->kind == PC_VISUAL_PRUMERGE;
    if (!encoder->type->merges) {
        return refuse(model, visual, "its vision tower is not made of plain blocks over all patches");
    }
    if (encoder->select.count > 1 || encoder->info.prefix > 1 || model->one_position) {
        return refuse(model, visual, "its features are of several layers, or of several tokens before the patches");
    }
    if (model->detail.tower.type) {
        return refuse(model, visual, "a second tower sees its pictures");
    }
    if (model->tiles.merge != PC_MERGE_NONE || model->tiles.framed) {
        return refuse(model, visual, "its pictures are cut into tiles whose tokens are joined by place");
    }
    if (prunes && (!encoder->type->class_token || encoder->select.keep_class_token || encoder->info.prefix != 1)) {
        return refuse(model, visual, "its vision tower has no class token apart from its features");
    }
    if (prunes && !is_tokenwise(model)) {
        return refuse(model, visual, "its connector does not work on each token alone");
    }
    return PC_OK;
}

pc_status pc_model_set_visual(pc_model *model, const char *text)
{
    pc_visual_tokens visual;
    PC_TRY(pc_visual_parse(&visual, text));
    const char *where = model->path ? model->path : "the model";
    if (visual.kind == PC_VISUAL_ALL || !model->connector.type) {
        model->visual = (pc_visual_tokens){0};
        return visual.kind == PC_VISUAL_ALL ? PC_OK : refuse(model, &visual, "this model takes no pictures");
    }
    if (visual.kind == PC_VISUAL_FASTV) {
        PC_TRY(check_fastv(model, &visual));
    } else {
        PC_TRY(check_tower(model, &visual));
    }
    visual.merge.class_token = model->encoder.type->class_token;
    model->visual = visual;
    if (pc_visual_shrinks(&visual) && model->connector.type->check) {
        const pc_connector_dims dims = dims_of(model, pc_model_features_left(model));
        pc_status status = model->connector.type->check(model->connector.config, &dims, where);
        model->visual = status == PC_OK ? visual : (pc_visual_tokens){0};
        return status;
    }
    return PC_OK;
}

int64_t pc_model_features_left(const pc_model *model)
{
    const pc_encoder_part *encoder = &model->encoder;
    const int64_t apart = encoder->select.keep_class_token ? 0 : encoder->info.prefix;
    if (model->visual.kind == PC_VISUAL_TOME) {
        return pc_merge_left(&model->visual.merge, encoder->patches + apart, encoder->select.layer[0], encoder->info.layers) - apart;
    }
    return encoder->patches + (model->visual.kind == PC_VISUAL_PRUMERGE);
}
