#include "train/recipe_yaml.h"

#include "base/memory.h"
#include "base/yaml.h"

#include <string.h>

enum { RECIPE_LIMIT = 1 << 20 };

typedef struct reading {
    pc_recipe *recipe;
    bool *given; /* by field */
} reading;

static bool is_null(const char *text)
{
    return strcmp(text, "null") == 0 || strcmp(text, "~") == 0 || !*text;
}

static pc_status set_key(void *user, const pc_yaml_value *value)
{
    const reading *r = user;
    const char *key = value->keys[0];
    const pc_field *field = pc_fields_find(&pc_recipe_fields, key);
    if (!field) {
        return pc_fields_set(&pc_recipe_fields, r->recipe, key, value->text, value->where); /* says what is near */
    }
    bool *given = &r->given[field - pc_recipe_fields.fields];
    if (*given) {
        return pc_fail(PC_ERR_USAGE, "%s: '%s' is given twice", value->where, field->name);
    }
    *given = true;
    return is_null(value->text) ? PC_OK : pc_fields_set(&pc_recipe_fields, r->recipe, key, value->text, value->where);
}

pc_status pc_recipe_read_yaml(pc_recipe *out, const char *path)
{
    reading r = {.recipe = out};
    PC_TRY(PC_NEW_ARRAY(r.given, pc_recipe_fields.count, "a recipe"));
    pc_status status = pc_yaml_read(path, RECIPE_LIMIT, 1, set_key, &r);
    pc_free(r.given);
    return status;
}
