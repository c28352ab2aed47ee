#include "train/sparse.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

/* The object of the language model in a family's config. */
static pc_json *language_of(pc_json *config)
{
    static const char *const keys[] = {"text_config", "llm"};
    for (int i = 0; i < 2; i++) {
        pc_json *part = pc_json_get(config, keys[i]);
        if (pc_json_is_object(part)) {
            return part;
        }
    }
    return config;
}

static pc_status check(const pc_model *model, pc_json *language)
{
    const pc_field_table *fields = model->llm.type ? &model->llm.type->fields : NULL;
    for (size_t i = 0; fields && i < fields->count; i++) {
        if (strcmp(fields->fields[i].name, "num_local_experts") == 0) {
            return pc_json_get_integer(language, "num_local_experts", 0) == 0 && strcmp(model->llm.type->model_type, "mixtral") != 0
                       ? PC_OK
                       : pc_fail(PC_ERR_USAGE, "moe_experts: the language model has experts already");
        }
    }
    return pc_fail(PC_ERR_USAGE, "moe_experts: the language model '%s' can have none",
                   model->llm.type ? model->llm.type->model_type : "(none)");
}

static bool takes_layer(const char *layers, int64_t layer, int64_t count)
{
    return strcmp(layers, "dense") == 0       ? true
           : strcmp(layers, "first_half") == 0 ? layer < count / 2
           : strcmp(layers, "second_half") == 0 ? layer >= count / 2
                                               : layer % 2 == 0;
}

static pc_status set_layers(pc_json *language, const pc_sparse_keys *keys, int64_t count)
{
    static const char *const known[] = {"sparse", "dense", "first_half", "second_half"};
    bool found = false;
    for (int i = 0; i < 4; i++) {
        found = found || strcmp(known[i], keys->layers) == 0;
    }
    if (!found) {
        return pc_fail(PC_ERR_USAGE, "moe_layers '%s': expected sparse, dense, first_half or second_half", keys->layers);
    }
    pc_json *list = pc_json_new_array();
    pc_status status = list ? PC_OK : pc_fail_memory(0, "a configuration");
    for (int64_t i = 0; i < count && status == PC_OK; i++) {
        status = takes_layer(keys->layers, i, count) ? pc_json_push(list, pc_json_new_integer(i)) : PC_OK;
    }
    if (status != PC_OK) {
        pc_json_free(list);
        return status;
    }
    return pc_json_set(language, "moe_layers_idx", list);
}

static pc_status set_keys(pc_json *language, const pc_sparse_keys *keys, int64_t layers)
{
    PC_TRY(pc_json_set(language, "num_local_experts", pc_json_new_integer(keys->experts)));
    PC_TRY(pc_json_set(language, "num_experts_per_tok", pc_json_new_integer(keys->top_k)));
    PC_TRY(pc_json_set(language, "norm_topk_prob", pc_json_new_bool(keys->top_k > 1)));
    PC_TRY(pc_json_set(language, "router_aux_loss_coef", pc_json_new_number(keys->balance)));
    PC_TRY(pc_json_set(language, "router_z_loss_coef", pc_json_new_number(keys->z)));
    PC_TRY(pc_json_set(language, "moe_balance_layers", pc_json_new_bool(true)));
    PC_TRY(pc_json_set(language, "moe_capacity_factor", pc_json_new_number(keys->capacity)));
    return set_layers(language, keys, layers);
}

/* The dense MLP's matrix that an expert's begins as; NULL when `name` is none of an expert's. */
static const pc_param *origin_of(const pc_model *dense, const char *name)
{
    static const char EXPERTS[] = "block_sparse_moe.experts.";
    static const struct {
        const char *expert, *mlp;
    } names[] = {
        {"gate_proj", "gate_proj.weight"}, {"up_proj", "up_proj.weight"}, {"down_proj", "down_proj.weight"},
        {"up_proj", "fc1.weight"},         {"up_bias", "fc1.bias"},       {"down_proj", "fc2.weight"},
        {"down_bias", "fc2.bias"},
    };
    const char *at = strstr(name, EXPERTS);
    const pc_param *found = NULL;
    for (size_t i = 0; at && !found && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(at + sizeof EXPERTS - 1, names[i].expert) == 0) {
            char wanted[600];
            snprintf(wanted, sizeof wanted, "%.*smlp.%s", (int)(at - name), name, names[i].mlp);
            found = pc_params_find(&dense->params, wanted);
        }
    }
    return found;
}

static pc_status fill(pc_model *sparse, const pc_model *dense)
{
    for (size_t i = 0; i < sparse->params.count; i++) {
        pc_param *param = &sparse->params.items[i]->param;
        const pc_param *source = pc_params_find(&dense->params, param->name);
        source = source ? source : origin_of(dense, param->name);
        int64_t each = source ? pc_shape_count(&source->shape) : 0;
        if (!source && !strstr(param->name, "block_sparse_moe.gate")) {
            return pc_fail(PC_ERR_DATA, "moe_experts: the dense model has nothing for '%s'", param->name);
        }
        for (int64_t at = 0; each && at < pc_shape_count(&param->shape); at += each) {
            memcpy((float *)param->data + at, source->data, (size_t)each * sizeof(float));
        }
    }
    return PC_OK;
}

pc_status pc_sparse_make(pc_model **model, const pc_sparse_keys *keys, uint64_t seed)
{
    pc_model *dense = *model, *sparse = NULL;
    pc_status status;
    if (!keys->experts) {
        return PC_OK;
    }
    PC_TRY(check(dense, language_of(dense->config)));
    PC_TRY(pc_model_begin_variant(&sparse, dense));
    PC_GO(set_keys(language_of(sparse->config), keys, dense->llm.info.layers));
    PC_GO(sparse->import->configure(sparse, dense->path ? dense->path : "moe_experts"));
    PC_GO(pc_params_initialise(&sparse->params, seed));
    PC_GO(fill(sparse, dense));
    pc_model_take_surroundings(sparse, dense);
    pc_log(PC_LOG_INFO, "%lld experts in place of each MLP of the layers that moe_layers names; %lld parameters in place of %lld",
           (long long)keys->experts, (long long)pc_params_elements(&sparse->params, NULL),
           (long long)pc_params_elements(&dense->params, NULL));
    pc_model_free(dense);
    *model = sparse;
    return PC_OK;
done:
    pc_model_free(sparse);
    return status;
}
