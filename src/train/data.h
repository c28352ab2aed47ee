/* The data of a recipe: its dataset entries opened, and the loader that makes batches of them for a model. */
#ifndef PC_TRAIN_DATA_H
#define PC_TRAIN_DATA_H

#include "model/model.h"
#include "train/recipe.h"
#include "train/stage.h"

enum { PC_TRAIN_DATASETS = 64 };

typedef struct pc_train_data {
    pc_dataset *datasets[PC_TRAIN_DATASETS];
    double weights[PC_TRAIN_DATASETS]; /* shares in an epoch, up to a factor; without `mixed`: by size */
    bool mixed;
    int count;
    char *sizes_file; /* that the loader reads or writes; NULL = none */
    pc_loader *loader;
} pc_train_data;

/* recipe->dataset is a list of entries as pc_dataset_open takes them: PATH or PATH?key=value&key=value. Close also after a
 * failure. */
pc_status pc_train_data_open(pc_train_data *out, const pc_recipe *recipe, const pc_model *model, const pc_stage *stage);
/* Which dataset has sample *index, counted over all of them in their order; *index becomes the one in it. The number of datasets
 * when there is no such sample. */
int pc_train_data_find(const pc_train_data *data, int64_t *index);
void pc_train_data_close(pc_train_data *data);

#endif
