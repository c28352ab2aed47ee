/* What is hashed (SHA-256, its first 32 digits):
 *
 *   tokenizer  every id's string and whether it is a control token, the ids of the roles, and the ids of the probe texts
 *              below, which tell apart normalisers and split rules that share a vocabulary
 *   template   the canonical form of the Jinja text that it is saved as
 *   processor  the picture recipe as preprocessor_config.json spells it, and the soft tokens of a picture
 *
 * Easy to get wrong: the texts must reach digits, runs of spaces, line ends, case, accents, several scripts and emoji,
 * or two tokenizers that differ only there would pass for one.
 */
#include "model/fingerprint.h"

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <string.h>

static const char FILE_NAME[] = "percept.json";
enum { FILE_LIMIT = 1 << 20, FORMAT = 1 };

static const char *const probes[] = {
    "Hello, world! It's 2026; they've paid $1,234.56.", "  two  spaces\n\n\ttab \r\n end ", "MixedCASE camelCase snake_case",
    "na\xc3\xafve caf\xc3\xa9 cafe\xcc\x81 \xef\xac\x81n", "\xe5\x9b\xbe\xe7\x89\x87\xe9\x87\x8c\xe6\x9c\x89\xe4\xb8\x89\xe4\xb8\xaa\xe7\xba\xa2\xe8\x89\xb2\xe7\x89\xa9\xe4\xbd\x93\xe3\x80\x82",
    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xe0\xa4\xb9\xe0\xa4\xbf\xe0\xa4\xa8\xe0\xa5\x8d\xe0\xa4\xa6\xe0\xa5\x80 \xd8\xb3\xd9\x84\xd8\xa7\xd9\x85",
    "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80 \xe2\x99\xa5\xef\xb8\x8f", "for (int i = 0; i < 10; i++) { x += 1e-5; }", "\xe3\x80\x80\xef\xbc\xa1\xef\xbc\x92 12345678 007",
};

const char *pc_fingerprint_part(int part)
{
    static const char *const names[PC_FINGERPRINT_PARTS] = {"tokenizer", "template", "processor"};
    return names[part];
}

static void digest(char out[PC_FINGERPRINT_DIGITS + 1], const pc_str *bytes)
{
    char hex[65];
    pc_sha256(bytes->data ? bytes->data : "", bytes->length, hex);
    memcpy(out, hex, PC_FINGERPRINT_DIGITS);
    out[PC_FINGERPRINT_DIGITS] = '\0';
}

static pc_status describe_vocabulary(pc_str *out, const pc_tokenizer *tokenizer)
{
    for (int role = 0; role < PC_TOKEN_ROLES; role++) {
        PC_TRY(pc_str_printf(out, "%d\n", (int)pc_tokenizer_special(tokenizer, (pc_token_role)role)));
    }
    for (size_t id = 0; id < pc_tokenizer_size(tokenizer); id++) {
        size_t length = 0;
        const char *token = pc_tokenizer_token(tokenizer, (int32_t)id, &length);
        PC_TRY(pc_str_printf(out, "%zu %d %zu ", id, (int)pc_tokenizer_is_special(tokenizer, (int32_t)id), length));
        PC_TRY(pc_str_add(out, token ? token : "", token ? length : 0));
    }
    return PC_OK;
}

static pc_status describe_tokenizer(pc_str *out, const pc_tokenizer *tokenizer)
{
    pc_ids ids = {0};
    pc_status status = describe_vocabulary(out, tokenizer);
    for (size_t i = 0; i < sizeof probes / sizeof probes[0] && status == PC_OK; i++) {
        ids.count = 0;
        status = pc_tokenizer_encode(tokenizer, probes[i], strlen(probes[i]), PC_TOKENIZE_ADD_SPECIAL, &ids);
        for (size_t k = 0; k < ids.count && status == PC_OK; k++) {
            status = pc_str_printf(out, k ? " %d" : "\n%d", (int)ids.data[k]);
        }
    }
    pc_ids_clear(&ids);
    return status;
}

static pc_status describe_processor(pc_str *out, const pc_model *model)
{
    pc_json *json = NULL;
    pc_status status = pc_image_recipe_to_json(&json, &model->recipe);
    if (status == PC_OK) {
        status = pc_json_write(out, json, 0);
    }
    if (status == PC_OK) {
        status = pc_str_printf(out, "\n%lld", (long long)model->connector.tokens);
    }
    pc_json_free(json);
    return status;
}

/* *out stays empty for a part that the model lacks. */
static pc_status describe(pc_str *out, const pc_model *model, int part)
{
    switch (part) {
    case 0: return model->tokenizer ? describe_tokenizer(out, model->tokenizer) : PC_OK;
    case 1: return model->chat ? pc_jinja_normalise(model->chat->jinja, strlen(model->chat->jinja), out) : PC_OK;
    default: return model->encoder.type ? describe_processor(out, model) : PC_OK;
    }
}

pc_status pc_fingerprint_of(pc_fingerprint *out, const pc_model *model)
{
    pc_str text = {0}, all = {0};
    pc_status status = PC_OK;
    memset(out, 0, sizeof *out);
    for (int part = 0; part < PC_FINGERPRINT_PARTS; part++) {
        pc_str_reset(&text);
        PC_GO(describe(&text, model, part));
        if (text.length) {
            digest(out->part[part], &text);
        }
        PC_GO(pc_str_printf(&all, "%s:%s\n", pc_fingerprint_part(part), out->part[part]));
    }
    digest(out->whole, &all);
done:
    pc_str_clear(&text);
    pc_str_clear(&all);
    return status;
}

static pc_status to_json(const pc_fingerprint *print, pc_json *json)
{
    PC_TRY(pc_json_set(json, "format", pc_json_new_integer(FORMAT)));
    PC_TRY(pc_json_set(json, "fingerprint", pc_json_new_text(print->whole)));
    for (int part = 0; part < PC_FINGERPRINT_PARTS; part++) {
        if (print->part[part][0]) {
            PC_TRY(pc_json_set(json, pc_fingerprint_part(part), pc_json_new_text(print->part[part])));
        }
    }
    return PC_OK;
}

pc_status pc_fingerprint_save(const pc_model *model, const char *folder)
{
    pc_fingerprint print;
    pc_json *json = NULL;
    char *path = NULL;
    pc_status status = pc_fingerprint_of(&print, model);
    if (status == PC_OK) {
        json = pc_json_new_object();
        path = pc_path_join(folder, FILE_NAME);
        status = json && path ? to_json(&print, json) : pc_fail_memory(0, "a fingerprint");
    }
    if (status == PC_OK) {
        status = pc_json_write_file(path, json, 2);
    }
    pc_free(path);
    pc_json_free(json);
    return status;
}

static pc_status compare(const pc_model *model, const pc_json *json, const char *path, int *differing)
{
    pc_fingerprint print;
    int64_t format;
    PC_TRY(pc_json_need_integer(&format, json, "format", FORMAT, FORMAT, path));
    PC_TRY(pc_fingerprint_of(&print, model));
    for (int part = 0; part < PC_FINGERPRINT_PARTS; part++) {
        const char *trained = pc_json_get_text(json, pc_fingerprint_part(part), "");
        if (strcmp(trained, print.part[part]) != 0) {
            pc_log(PC_LOG_WARNING, "%s: the %s is not the one that the model was trained with (%s, now %s)", path,
                   pc_fingerprint_part(part), trained[0] ? trained : "none", print.part[part][0] ? print.part[part] : "none");
            ++*differing;
        }
    }
    return PC_OK;
}

pc_status pc_fingerprint_check(const pc_model *model, const char *folder, int *differing)
{
    pc_json *json = NULL;
    int count = 0;
    char *path = pc_path_join(folder, FILE_NAME);
    pc_status status = path ? PC_OK : pc_fail_memory(0, "a path");
    if (status == PC_OK && pc_path_exists(path)) {
        status = pc_json_read(&json, path, FILE_LIMIT);
        status = status == PC_OK ? compare(model, json, path, &count) : status;
    }
    if (differing) {
        *differing = count;
    }
    pc_json_free(json);
    pc_free(path);
    return status;
}
