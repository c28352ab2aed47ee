#include "model/head.h"

#include "base/file.h"
#include "store/store.h"
#include "store/writer.h"

const char *const PC_HEAD_FILE = "value_head.safetensors";

pc_status pc_head_new(pc_head **out, const pc_model *model, uint64_t seed)
{
    pc_head *head = NULL;
    pc_status status;
    *out = NULL;
    PC_TRY(PC_NEW(head, "a head"));
    pc_scope scope = {.params = &head->params, .part = "head", .prefix = "v_head."};
    pc_linear_declare(&scope, &head->weights, 1, model->llm.info.width, true, 1, "summary");
    PC_GO(scope.status);
    PC_GO(pc_params_own(&head->params));
    PC_GO(pc_params_initialise(&head->params, seed));
    *out = head;
    return PC_OK;
done:
    pc_head_free(head);
    return status;
}

void pc_head_free(pc_head *head)
{
    if (head) {
        pc_params_clear(&head->params);
        pc_free(head);
    }
}

static pc_status put_all(const pc_params *params, pc_store_writer *writer)
{
    for (size_t i = 0; i < params->count; i++) {
        const pc_param *param = &params->items[i]->param;
        PC_TRY(pc_store_writer_declare(writer, param->name, PC_F32, param->shape.ndim, param->shape.dim));
    }
    for (size_t i = 0; i < params->count; i++) {
        const pc_param *param = &params->items[i]->param;
        PC_TRY(pc_store_writer_put_f32(writer, param->name, param->data, pc_shape_count(&param->shape)));
    }
    return pc_store_writer_finish(writer);
}

pc_status pc_head_save(const pc_head *head, const char *folder)
{
    char *path = pc_path_join(folder, PC_HEAD_FILE);
    pc_store_writer *writer = NULL;
    pc_status status = path ? pc_store_writer_new(&writer, path, 0) : pc_fail_memory(0, "a path");
    if (status == PC_OK) {
        status = put_all(&head->params, writer);
    }
    pc_store_writer_free(writer);
    pc_free(path);
    return status;
}

static pc_status get_all(pc_params *params, const pc_store *store)
{
    for (size_t i = 0; i < params->count; i++) {
        pc_param *param = &params->items[i]->param;
        const pc_array *array;
        PC_TRY(pc_store_need(&array, store, param->name));
        PC_TRY(pc_array_need_shape(array, param->shape.ndim, param->shape.dim));
        PC_TRY(pc_array_to_f32(array, param->data));
    }
    return PC_OK;
}

pc_status pc_head_load_values(pc_head *head, const char *folder)
{
    char *path = pc_path_join(folder, PC_HEAD_FILE);
    pc_store *store = NULL;
    pc_status status = path ? pc_store_open(&store, path) : pc_fail_memory(0, "a path");
    if (status == PC_OK) {
        status = get_all(&head->params, store);
    }
    pc_store_free(store);
    pc_free(path);
    return status;
}
