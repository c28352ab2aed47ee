/* A connector: features -> soft tokens for the language model. One file in connector/ and one line in list.h for each.
 *
 * Takes: features f32 [N,P,D] and their grid; a connector that reads (InstructBLIP) also a text of its own tokenizer beside
 * each picture. Gives: soft tokens f32 [N,Q,D'], Q as it likes.
 */
#ifndef PC_CONNECTOR_CONNECTOR_H
#define PC_CONNECTOR_CONNECTOR_H

#include "base/field.h"
#include "nn/layers.h"

typedef struct pc_connector_dims {
    int64_t in;     /* D: features of the encoder, those of all chosen layers together */
    int64_t out;    /* D': width of the language model */
    int64_t tokens; /* P: features of one picture */
    int64_t rows, columns; /* of the grid that they form, row-major; 0 when they form none (a class token stays) */
} pc_connector_dims;

/* What a connector reads of N pictures of one size. */
typedef struct pc_connector_input {
    pc_tensor *features;   /* f32 [N,P,D] */
    int64_t rows, columns; /* as in pc_connector_dims */
    pc_tensor *ids;        /* i32 [N,L] of its own tokenizer, or NULL: no text */
    pc_tensor *lengths;    /* i32 [N]: ids of each row that count; with ids */
} pc_connector_input;

typedef struct pc_connector_type {
    const char *name; /* "mlp" */
    pc_field_table fields;
    size_t config_size, weights_size;
    pc_status (*check)(const void *config, const pc_connector_dims *dims, const char *where);
    /* Soft tokens of one picture. */
    int64_t (*tokens)(const void *config, const pc_connector_dims *dims);
    void (*declare)(pc_scope *scope, const void *config, const pc_connector_dims *dims, void *weights);
    pc_tensor *(*forward)(const pc_build *build, const void *config, const void *weights, const pc_connector_input *in);
    int64_t (*text_limit)(const void *config); /* L, longest text beside a picture; NULL, or 0: it reads none */
    int64_t (*text_vocabulary)(const void *config); /* ids of that text are below; with text_limit */
} pc_connector_type;

/* PC_ERR_DATA, naming `who`, when the features form no grid. */
pc_status pc_connector_need_grid(const pc_connector_dims *dims, const char *who, const char *where);

/* PC_ERR_DATA, naming the key, when there is no such activation. */
pc_status pc_connector_need_activation(const char *name, const char *key, const char *where);

const pc_connector_type *pc_connector_find(const char *name); /* NULL when unknown */
const char *pc_connector_names(void);

#endif
