/* An entry:
 *
 *   "name": {"file_name": "train.json", "formatting": "alpaca" | "sharegpt" | "openai", "ranking": true, "num_samples": 100,
 *            "columns": {"messages": "conversations", "images": "images", ...}, "tags": {"role_tag": "from", ...}}
 *
 * Easy to get wrong: what "columns" leaves out is not read at all there, except for the usual names of the text; here a
 * row's usual names stand for what is left out.
 */
#include "data/dataset_info.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

enum { INFO_LIMIT = 16 << 20 };

static const char *const columns[PC_COLUMNS] = {
    "messages", "system", "tools", "images", "videos", "audios", "chosen", "rejected", "kto_tag", "prompt", "query",
    "response", "history", "text", "question", "answer",
};

static const char *const tags[PC_TAGS] = {
    "role_tag", "content_tag", "user_tag", "assistant_tag", "observation_tag", "function_tag", "system_tag",
};

/* Entry keys that point elsewhere than to a file at hand. */
static const char *const remote[] = {"hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name"};

bool pc_dataset_info_exists(const char *folder)
{
    char *path = pc_path_join(folder, "dataset_info.json");
    bool exists = path && pc_path_exists(path);
    pc_free(path);
    return exists;
}

/* The members of `object`, each a text named in names[count], into out[count][64]. */
static pc_status read_names(char (*out)[64], const char *const *names, int count, const pc_json *object, const char *what)
{
    for (void *it = pc_json_first(object); it; it = pc_json_next(object, it)) {
        const pc_json *value = pc_json_value(it);
        int at = 0;
        while (at < count && strcmp(names[at], pc_json_key(it)) != 0) {
            at++;
        }
        if (pc_json_is_null(value)) {
            continue;
        }
        if (at == count) {
            return pc_fail(PC_ERR_DATA, "%s has no '%s'", what, pc_json_key(it));
        }
        size_t length = pc_json_text_length(value);
        if (!pc_json_is_string(value) || length == 0 || length > 63 || strlen(pc_json_text(value)) != length) {
            return pc_fail(PC_ERR_DATA, "%s '%s' is no name of 1 to 63 bytes", what, names[at]);
        }
        memcpy(out[at], pc_json_text(value), length + 1);
    }
    return PC_OK;
}

static pc_status check_formatting(const pc_json *entry)
{
    const char *formatting = pc_json_get_text(entry, "formatting", "alpaca");
    static const char *const known[] = {"alpaca", "sharegpt", "openai"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(formatting, known[i]) == 0) {
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA, "formatting '%s' is not known; known: alpaca, sharegpt, openai", formatting);
}

static pc_status read_entry(pc_dataset_entry *out, const char *folder, const pc_json *entry)
{
    const char *file = pc_json_get_text(entry, "file_name", NULL);
    for (size_t i = 0; i < sizeof remote / sizeof remote[0]; i++) {
        if (!file && !pc_json_is_null(pc_json_get(entry, remote[i]))) {
            return pc_fail(PC_ERR_DATA, "it lies elsewhere (%s); fetch it and give file_name", remote[i]);
        }
    }
    if (!file || !pc_path_is_plain(file)) {
        return pc_fail(PC_ERR_DATA, "file_name: expected a path below the folder, found '%s'", file ? file : "nothing");
    }
    PC_TRY(check_formatting(entry));
    PC_TRY(read_names(out->format.columns, columns, PC_COLUMNS, pc_json_get(entry, "columns"), "columns"));
    PC_TRY(read_names(out->format.tags, tags, PC_TAGS, pc_json_get(entry, "tags"), "tags"));
    out->limit = pc_json_get_integer(entry, "num_samples", 0);
    if (out->limit < 0) {
        return pc_fail(PC_ERR_DATA, "num_samples is negative");
    }
    out->path = pc_path_join(folder, file);
    return out->path ? PC_OK : pc_fail_memory(strlen(file), "a path");
}

static pc_status unknown_name(const pc_json *info, const char *path, const char *name)
{
    pc_str list = {0};
    pc_status status = PC_OK;
    int shown = 0;
    for (void *it = pc_json_first(info); it && shown < 12 && status == PC_OK; it = pc_json_next(info, it), shown++) {
        status = pc_str_printf(&list, " %s", pc_json_key(it));
    }
    status = status == PC_OK ? pc_fail(PC_ERR_USAGE, "%s: no dataset '%s'; there are:%s", path, name,
                                       list.data ? list.data : " none")
                             : status;
    pc_str_clear(&list);
    return status;
}

pc_status pc_dataset_info_find(pc_dataset_entry *out, const char *folder, const char *name)
{
    pc_json *info = NULL;
    *out = (pc_dataset_entry){0};
    char *path = pc_path_join(folder, "dataset_info.json");
    pc_status status = path ? pc_json_read(&info, path, INFO_LIMIT) : pc_fail_memory(strlen(folder), "a path");
    const pc_json *entry = pc_json_get(info, name);
    if (status == PC_OK && !pc_json_is_object(entry)) {
        status = entry ? pc_fail(PC_ERR_DATA, "%s: '%s' is no object", path, name) : unknown_name(info, path, name);
    } else if (status == PC_OK) {
        status = read_entry(out, folder, entry);
        if (status != PC_OK) {
            pc_fail_prefix(status, "%s: '%s'", path, name);
        }
    }
    pc_json_free(info);
    pc_free(path);
    return status;
}

void pc_dataset_entry_clear(pc_dataset_entry *entry)
{
    pc_free(entry->path);
    *entry = (pc_dataset_entry){0};
}
