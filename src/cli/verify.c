/* `percept verify`: a model against golden vectors of the original implementation, stage by stage. */
#include "base/file.h"
#include "cli/command.h"
#include "cli/inputs.h"
#include "cli/options.h"
#include "cli/share.h"
#include "model/fingerprint.h"
#include "model/verify.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LIST_LIMIT = 16 << 20 };

typedef struct verify_options {
    char *golden, *dtype, *mmproj;
    int64_t threads;
    bool json;
} verify_options;

#define FIELD(key, kind, standard, text) \
    {.name = #key, .type = kind, .offset = offsetof(verify_options, key), .fallback = standard, .help = text}
static const pc_field fields[] = {
    FIELD(golden, PC_FIELD_TEXT, NULL, "folder with golden.json; unset = MODEL/golden, else the vectors of MODEL's family"),
    FIELD(dtype, PC_FIELD_TEXT, "f32", "arithmetic of matrix products: f32 (limit 1e-4) or bf16 (limit 2e-2)"),
    FIELD(threads, PC_FIELD_INT, "0", "threads; 0 = one for each processor"),
    FIELD(json, PC_FIELD_BOOL, "false", "print one JSON object"),
    PC_CLI_MMPROJ(verify_options),
};
#undef FIELD

static const pc_option_alias aliases[] = {{"-t", "threads"}, {NULL, NULL}};

typedef struct verifying {
    verify_options options;
    pc_cli_model opened;
    pc_json *list;      /* golden.json */
    char *folder;       /* that it lies in */
    pc_json *result;    /* with --json */
    pc_json *stages;    /* of the case at hand, part of result */
    pc_verify verify;
} verifying;

/* --- telling --- */

static double relative(const pc_verify_stage *stage)
{
    return stage->largest > 0 ? stage->deviation / stage->largest : stage->deviation;
}

static void print_stage(const pc_verify_stage *stage)
{
    if (stage->why[0]) {
        printf("  %-20s FAILED: %s\n", stage->name, stage->why);
    } else if (stage->exact) {
        printf("  %-20s %.0f of %.0f differ%s\n", stage->name, stage->deviation, stage->largest, stage->good ? "" : "  FAILED");
    } else {
        printf("  %-20s largest deviation %.3g, relative %.3g (limit %g)%s\n", stage->name, stage->deviation,
               relative(stage), stage->limit, stage->good ? "" : "  FAILED");
    }
}

static pc_status stage_json(pc_json *out, const pc_verify_stage *stage)
{
    PC_TRY(pc_json_set(out, "stage", pc_json_new_text(stage->name)));
    PC_TRY(pc_json_set(out, "good", pc_json_new_bool(stage->good)));
    if (stage->why[0]) {
        return pc_json_set(out, "why", pc_json_new_text(stage->why));
    }
    if (isfinite(stage->deviation)) {
        PC_TRY(pc_json_set(out, "deviation", pc_json_new_number(stage->deviation)));
        PC_TRY(pc_json_set(out, "relative", pc_json_new_number(relative(stage))));
    }
    PC_TRY(pc_json_set(out, "largest", pc_json_new_number(stage->largest)));
    return pc_json_set(out, "limit", pc_json_new_number(stage->limit));
}

static void tell_stage(void *user, const pc_verify_stage *stage)
{
    verifying *v = user;
    if (!v->options.json) {
        print_stage(stage);
        return;
    }
    pc_json *one = pc_json_new_object();
    if (!one || stage_json(one, stage) != PC_OK || pc_json_push(v->stages, one) != PC_OK) {
        v->verify.bad++; /* a stage that can't be told is no proof */
    }
}

static pc_status begin_case(verifying *v, const pc_json *one)
{
    const char *name = pc_json_get_text(one, "name", pc_json_get_text(one, "tensors", ""));
    if (!v->options.json) {
        printf("%s\n", name);
        return PC_OK;
    }
    pc_json *object = pc_json_new_object(), *cases = pc_json_get(v->result, "cases");
    v->stages = pc_json_new_array();
    PC_TRY(pc_json_push(cases, object));
    PC_TRY(pc_json_set(object, "name", pc_json_new_text(name)));
    return pc_json_set(object, "stages", v->stages);
}

/* --- which golden vectors --- */

static pc_status read_list(verifying *v, const char *folder)
{
    char *path = pc_path_join(folder, "golden.json");
    pc_status status = path ? pc_json_read(&v->list, path, LIST_LIMIT) : pc_fail_memory(0, "a path");
    if (status == PC_OK && !pc_json_length(pc_json_get(v->list, "cases"))) {
        status = pc_fail(PC_ERR_DATA, "%s: 'cases' is empty", path);
    }
    pc_free(path);
    v->folder = pc_strdup(folder);
    return status != PC_OK || v->folder ? status : pc_fail_memory(0, "a path");
}

static pc_status beside_model(verifying *v, const char *model)
{
    char *folder = pc_path_join(model, "golden");
    char *path = folder ? pc_path_join(folder, "golden.json") : NULL;
    pc_status status = path ? PC_OK : pc_fail_memory(0, "a path");
    if (status == PC_OK && pc_path_exists(path)) {
        status = read_list(v, folder);
    }
    pc_free(path);
    pc_free(folder);
    return status;
}

/* The checkpoint of the family that percept brings takes the model's place. */
static pc_status use_family(verifying *v, const pc_json *family, const char *folder, const char *asked)
{
    const char *name;
    PC_TRY(pc_json_need_text(&name, family, "model", folder));
    char *path = pc_path_join(folder, name);
    v->list = pc_json_copy(family);
    v->folder = pc_strdup(folder);
    if (!path || !v->list || !v->folder) {
        pc_free(path);
        return pc_fail_memory(0, "golden vectors");
    }
    fprintf(stderr, "%s: it has no golden vectors of its own (tools/make_golden.py makes them); its family is verified on %s\n",
            asked, path);
    pc_cli_model_close(&v->opened);
    pc_status status = pc_cli_model_open(&v->opened, path, (int)v->options.threads, v->options.dtype, NULL, NULL);
    pc_free(path);
    return status;
}

static pc_status of_family(verifying *v, const char *asked)
{
    const char *type = pc_json_get_text(v->opened.model->config, "model_type", "");
    char *folder = NULL, *path = NULL;
    pc_json *families = NULL;
    pc_status status;
    PC_GO(pc_share_find(&folder, "golden", "tests/golden"));
    path = folder ? pc_path_join(folder, "families.json") : NULL;
    if (path) {
        PC_GO(pc_json_read(&families, path, LIST_LIMIT));
    }
    const pc_json *list = pc_json_get(families, "families");
    for (size_t i = 0; i < pc_json_length(list) && !v->list; i++) {
        const pc_json *family = pc_json_at(list, i);
        if (strcmp(pc_json_get_text(family, "model_type", ""), type) == 0) {
            PC_GO(use_family(v, family, folder, asked));
        }
    }
    if (!v->list) {
        status = pc_fail(PC_ERR_DATA, "%s: no golden vectors beside it and none for the family '%s'; tools/make_golden.py makes "
                                      "them for a checkpoint", asked, type);
    }
done:
    pc_json_free(families);
    pc_free(path);
    pc_free(folder);
    return status;
}

/* --- the command --- */

static pc_status check_cases(verifying *v)
{
    const pc_json *cases = pc_json_get(v->list, "cases");
    for (size_t i = 0; i < pc_json_length(cases); i++) {
        PC_TRY(begin_case(v, pc_json_at(cases, i)));
        PC_TRY(pc_verify_case(&v->verify, pc_json_at(cases, i), v->folder));
    }
    return PC_OK;
}

static pc_status begin_result(verifying *v, const char *asked)
{
    pc_fingerprint print;
    PC_TRY(pc_fingerprint_of(&print, v->opened.model));
    if (!v->options.json) {
        printf("%s  fingerprint %s\n", v->opened.model->path, print.whole);
        return PC_OK;
    }
    v->result = pc_json_new_object();
    PC_TRY(pc_json_set(v->result, "model", pc_json_new_text(asked)));
    PC_TRY(pc_json_set(v->result, "verified", pc_json_new_text(v->opened.model->path)));
    PC_TRY(pc_json_set(v->result, "dtype", pc_json_new_text(v->options.dtype)));
    PC_TRY(pc_json_set(v->result, "fingerprint", pc_json_new_text(print.whole)));
    return pc_json_set(v->result, "cases", pc_json_new_array());
}

static pc_status end_result(verifying *v)
{
    pc_str line = {0};
    pc_status status;
    if (!v->options.json) {
        printf("%d of %d stages within their limits\n", v->verify.stages - v->verify.bad, v->verify.stages);
        return PC_OK;
    }
    PC_GO(pc_json_set(v->result, "stages", pc_json_new_integer(v->verify.stages)));
    PC_GO(pc_json_set(v->result, "bad", pc_json_new_integer(v->verify.bad)));
    PC_GO(pc_json_write(&line, v->result, 0));
    puts(line.data);
done:
    pc_str_clear(&line);
    return status;
}

static pc_status verify(verifying *v, const char *path)
{
    PC_TRY(pc_cli_model_open(&v->opened, path, (int)v->options.threads, v->options.dtype, NULL, v->options.mmproj));
    if (v->options.golden) {
        PC_TRY(read_list(v, v->options.golden));
    } else {
        PC_TRY(beside_model(v, path));
    }
    if (!v->list) {
        PC_TRY(of_family(v, path));
    }
    v->verify = (pc_verify){.model = v->opened.model, .backend = v->opened.backend, .compute = v->opened.compute,
                            .tolerance = pc_verify_tolerance(v->opened.compute), .stage = tell_stage, .user = v};
    PC_TRY(begin_result(v, path));
    PC_TRY(check_cases(v));
    PC_TRY(end_result(v));
    return v->verify.bad ? pc_fail(PC_ERR_DATA, "%s: %d of %d stages deviate from the golden vectors", path, v->verify.bad,
                                   v->verify.stages)
                         : PC_OK;
}

static pc_status run(int argc, char **argv)
{
    verifying v = {0};
    pc_arguments arguments;
    pc_options spec = {
        .usage = "percept verify MODEL [--golden FOLDER] [--dtype f32|bf16] [-t THREADS] [--json]\n\n"
                 "Compares pixels, ids, features, soft tokens and logits with what the original implementation computed;\n"
                 "exit code 3 when a stage deviates by more than its limit.",
        .fields = {fields, sizeof fields / sizeof fields[0]},
        .aliases = aliases,
        .min_arguments = 1,
        .max_arguments = 1,
    };
    pc_status status = pc_options_parse(&spec, &v.options, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = verify(&v, arguments.items[0]);
    }
    pc_json_free(v.result);
    pc_json_free(v.list);
    pc_free(v.folder);
    pc_cli_model_close(&v.opened);
    pc_fields_clear(&spec.fields, &v.options);
    return status;
}

const pc_command pc_command_verify = {
    .name = "verify", .summary = "compare a model with golden vectors of the original", .run = run};
