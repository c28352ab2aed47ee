/* The YAML of a recipe: one flat mapping of scalars and lists of scalars. Internal to train/. */
#ifndef PC_TRAIN_RECIPE_YAML_H
#define PC_TRAIN_RECIPE_YAML_H

#include "train/recipe.h"

/* Set the keys that the file has; the others stay. A list becomes its values with commas between them, null leaves the
 * default. PC_ERR_USAGE with file and line for what is no such mapping, an unknown key, a key given twice, a value of the
 * wrong type; PC_ERR_IO when the file can't be read. */
pc_status pc_recipe_read_yaml(pc_recipe *out, const char *path);

#endif
