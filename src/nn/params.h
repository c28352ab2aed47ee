/* The registry of a model's parameters, and `declare`: the one place where each parameter gets its name, shape and
 * initial value. Loading, saving, counting, freezing, optimizer groups and packing all walk the registry.
 */
#ifndef PC_NN_PARAMS_H
#define PC_NN_PARAMS_H

#include "base/memory.h"
#include "tensor/tensor.h"

typedef enum pc_init_kind {
    PC_INIT_ZEROS,
    PC_INIT_ONES,
    PC_INIT_NORMAL,
    PC_INIT_CONSTANT,
    PC_INIT_UNIFORM, /* in [-value, value) */
    PC_INIT_GRID, /* [G*G, D] or [1 + G*G, D] (class row 0): fixed 2-D sines and cosines of row and column times value */
} pc_init_kind;

typedef struct pc_init {
    pc_init_kind kind;
    double value; /* standard deviation, the constant, or the bound */
} pc_init;

#define PC_ZEROS ((pc_init){PC_INIT_ZEROS, 0})
#define PC_ONES ((pc_init){PC_INIT_ONES, 1})
#define PC_NORMAL(std) ((pc_init){PC_INIT_NORMAL, (std)})

/* Where adapters may attach. */
typedef enum pc_param_role {
    PC_PARAM_OTHER,
    PC_PARAM_LINEAR, /* [N,K] of a linear layer */
    PC_PARAM_HEAD,   /* the same, of the language head */
} pc_param_role;

typedef struct pc_param_entry {
    pc_param param;
    pc_init init;
    pc_param_role role;
    void *owned;        /* memory of param.data when the registry owns it; NULL while it is mapped */
    size_t owned_bytes; /* pages */
} pc_param_entry;

typedef struct pc_params {
    pc_param_entry **items; /* in order of declaration; addresses stay valid */
    size_t count, capacity;
} pc_params;

void pc_params_clear(pc_params *params);
pc_param *pc_params_find(const pc_params *params, const char *name); /* NULL when absent */
int64_t pc_params_elements(const pc_params *params, const char *part); /* part NULL = all */

/* Give every parameter its own f32 memory (values kept where there were some, zeros else): what training works on. */
pc_status pc_params_own(pc_params *params);
/* Own memory for one parameter in `dtype`, zeroed; an older owned block is released. */
pc_status pc_param_allocate(pc_param_entry *entry, pc_dtype dtype);
size_t pc_param_bytes(const pc_param *param); /* of its values in their type */
/* Own memory with the values in blocks of `dtype` (one of pc_block_quantises), where the rows are whole blocks of it or of Q8_0;
 * others stay as they are. PC_ERR_DATA when a number is not finite. */
pc_status pc_param_quantise(pc_param_entry *entry, pc_dtype dtype);
/* Fill owned f32 parameters from their initialisers: a pure function of seed and name. */
pc_status pc_params_initialise(pc_params *params, uint64_t seed);
/* Gradients (f32, zeroed) for every parameter that trains; released with the registry or by a second call. */
pc_status pc_params_make_gradients(pc_params *params);
void pc_params_zero_gradients(pc_params *params);

/* Where declarations go: registry, part, and the prefix of names. Failure is sticky. */
typedef struct pc_scope {
    pc_params *params;
    const char *part;   /* "encoder", "connector", "llm": static text */
    const char *prefix; /* put before every name, e.g. "language_model." */
    double std;         /* standard deviation of normal initialisers, the model's initializer_range; 0 = 1/sqrt(fan-in) */
    pc_status status;
} pc_scope;

/* Standard deviation for weights that sum over `fan_in` values. */
double pc_scope_std(const pc_scope *scope, int64_t fan_in);

/* A new parameter; NULL after a failure (scope->status tells). Vectors neither decay nor get packed. */
pc_param *pc_declare(pc_scope *scope, pc_init init, pc_shape shape, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Say what the parameter declared last is; nothing after a failure. */
void pc_declared_as(pc_scope *scope, pc_param_role role);

#endif
