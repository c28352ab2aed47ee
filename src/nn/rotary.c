/* Rotary frequencies.
 *
 *   linear    w_j / s
 *   dynamic   base b (s T / C - (s - 1))^(E / (E - 2)) for T > C tokens
 *   llama3    l_j = 2 pi / w_j;  l > O / low: w / s;  l < O / high: w;  between: (1 - m) w / s + m w,
 *             m = (O / l - low) / (high - low)
 *   yarn      g_j w_j + (1 - g_j) w_j / s, g from 1 to 0 between the pairs that turn beta_fast and beta_slow times in O
 *             tokens; attention factor 0.1 ln s + 1
 *
 * Easy to get wrong: in f32, as transformers computes them; yarn's borders are cut to whole pairs unless told otherwise.
 */
#include "nn/rotary.h"

#include <math.h>
#include <string.h>

static const double TWO_PI = 6.28318530717958647692;

static const struct {
    const char *name;
    pc_rotary_kind kind;
} kinds[] = {
    {"default", PC_ROTARY_DEFAULT}, {"linear", PC_ROTARY_LINEAR}, {"dynamic", PC_ROTARY_DYNAMIC},
    {"llama3", PC_ROTARY_LLAMA3},   {"yarn", PC_ROTARY_YARN},     {"mrope", PC_ROTARY_DEFAULT},
};

/* A positive number; *out stays when the key is absent or null and not needed. */
static pc_status take(double *out, const pc_json *json, const char *key, bool needed, const char *type, const char *where)
{
    const pc_json *value = pc_json_get(json, key);
    if (pc_json_is_null(value)) {
        return needed ? pc_fail(PC_ERR_DATA, "%s: rotary scaling '%s': %s is missing", where, type, key) : PC_OK;
    }
    double number = pc_json_number(value, NAN);
    if (!(number > 0 && number < 1e12)) {
        return pc_fail(PC_ERR_DATA, "%s: rotary scaling '%s': %s must be a number above 0", where, type, key);
    }
    *out = number;
    return PC_OK;
}

static pc_status find_kind(pc_rotary_kind *out, const char *type, const char *where)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, type) == 0) {
            *out = kinds[i].kind;
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA, "%s: rotary scaling of type '%s' is not supported; known: linear, dynamic, llama3, yarn",
                   where, type);
}

static double mscale(double factor, double m)
{
    return factor <= 1 ? 1 : 0.1 * m * log(factor) + 1;
}

static pc_status read_yarn(pc_rotary *r, const pc_json *json, const char *where)
{
    double m = 0, all = 0;
    r->high = 32; /* beta_fast and beta_slow of the paper, section 3.2 */
    r->low = 1;
    r->factor = r->context / r->original;
    PC_TRY(take(&r->factor, json, "factor", false, "yarn", where));
    PC_TRY(take(&r->high, json, "beta_fast", false, "yarn", where));
    PC_TRY(take(&r->low, json, "beta_slow", false, "yarn", where));
    PC_TRY(take(&m, json, "mscale", false, "yarn", where));
    PC_TRY(take(&all, json, "mscale_all_dim", false, "yarn", where));
    r->attention = m > 0 && all > 0 ? mscale(r->factor, m) / mscale(r->factor, all) : mscale(r->factor, 1);
    r->truncate = pc_json_get_bool(json, "truncate", true);
    return take(&r->attention, json, "attention_factor", false, "yarn", where);
}

static pc_status read_llama3(pc_rotary *r, const pc_json *json, const char *where)
{
    PC_TRY(take(&r->factor, json, "factor", true, "llama3", where));
    PC_TRY(take(&r->low, json, "low_freq_factor", true, "llama3", where));
    PC_TRY(take(&r->high, json, "high_freq_factor", true, "llama3", where));
    if (r->high <= r->low) {
        return pc_fail(PC_ERR_DATA, "%s: rotary scaling 'llama3': high_freq_factor must be above low_freq_factor", where);
    }
    return PC_OK;
}

/* mrope_section: Qwen2-VL's. Their sum is compared with the size of a head where that is known. */
static pc_status read_sections(pc_rotary *r, const pc_json *node, const char *where)
{
    const pc_json *list = pc_json_get(node, "mrope_section");
    if (pc_json_is_null(list)) {
        return PC_OK;
    }
    for (size_t i = 0; i < PC_ROPE_AXES; i++) {
        int64_t section = pc_json_integer(pc_json_at(list, i), 0);
        if (pc_json_length(list) != PC_ROPE_AXES || section < 1 || section > 65536) {
            return pc_fail(PC_ERR_DATA, "%s: mrope_section must be a list of three numbers above 0", where);
        }
        r->sections[i] = (int32_t)section;
    }
    return PC_OK;
}

pc_status pc_rotary_read(pc_rotary *out, const pc_json *json, double theta, int64_t context, const char *where)
{
    *out = (pc_rotary){.theta = theta, .factor = 1, .attention = 1, .original = (double)context, .context = (double)context};
    const pc_json *node = pc_json_get(json, "rope_scaling");
    node = pc_json_length(node) ? node : pc_json_get(json, "rope_parameters");
    const char *type = pc_json_get_text(node, "rope_type", pc_json_get_text(node, "type", "default"));
    PC_TRY(find_kind(&out->kind, type, where));
    PC_TRY(read_sections(out, node, where));
    out->share = pc_json_get_number(node, "partial_rotary_factor", pc_json_get_number(json, "partial_rotary_factor", 0));
    if (out->kind == PC_ROTARY_LLAMA3 || out->kind == PC_ROTARY_YARN) {
        PC_TRY(take(&out->original, node, "original_max_position_embeddings", false, type, where));
        PC_TRY(take(&out->original, json, "original_max_position_embeddings", false, type, where));
    }
    switch (out->kind) {
    case PC_ROTARY_DEFAULT: return PC_OK;
    case PC_ROTARY_PROMPT:
    case PC_ROTARY_LINEAR:
    case PC_ROTARY_DYNAMIC: return take(&out->factor, node, "factor", true, type, where);
    case PC_ROTARY_LLAMA3: return read_llama3(out, node, where);
    case PC_ROTARY_YARN: return read_yarn(out, node, where);
    }
    return PC_OK;
}

static float llama3(const pc_rotary *r, float w)
{
    double length = TWO_PI / w;
    if (length > r->original / r->low) {
        return w / (float)r->factor;
    }
    if (length < r->original / r->high) {
        return w;
    }
    float smooth = (float)((r->original / length - r->low) / (r->high - r->low));
    return (1 - smooth) * w / (float)r->factor + smooth * w;
}

/* The pair (as a real number) that turns so many times within the original text. */
static double pair_of_turns(const pc_rotary *r, double turns, int64_t size)
{
    return (double)size * log(r->original / (turns * TWO_PI)) / (2 * log(r->theta));
}

static float yarn(const pc_rotary *r, float w, int64_t j, int64_t size)
{
    double low = pair_of_turns(r, r->high, size), high = pair_of_turns(r, r->low, size);
    low = fmax(r->truncate ? floor(low) : low, 0);
    high = fmin(r->truncate ? ceil(high) : high, (double)size - 1);
    high += low == high ? 0.001 : 0;
    float kept = 1 - (float)fmin(fmax(((double)j - low) / (high - low), 0), 1);
    return w / (float)r->factor * (1 - kept) + w * kept;
}

void pc_rotary_frequencies(const pc_rotary *r, int64_t size, int64_t length, float *out)
{
    double base = r->theta;
    if (r->kind == PC_ROTARY_DYNAMIC && size > 2) {
        double long_text = fmax((double)length, r->context);
        base *= pow(r->factor * long_text / r->context - (r->factor - 1), (double)size / (double)(size - 2));
    }
    if (r->kind == PC_ROTARY_PROMPT && size > 2 && (double)length > r->original) {
        double alpha = pow(2, ceil(log2((double)length / r->original) + 1)) - 1;
        base *= pow(fmax(alpha, 1), (double)size / (double)(size - 2));
    }
    for (int64_t j = 0; j < size / 2; j++) {
        float w = 1.0f / powf((float)base, (float)(2 * j) / (float)size);
        switch (r->kind) {
        case PC_ROTARY_DEFAULT:
        case PC_ROTARY_PROMPT:
        case PC_ROTARY_DYNAMIC: out[j] = w; break;
        case PC_ROTARY_LINEAR: out[j] = w / (float)r->factor; break;
        case PC_ROTARY_LLAMA3: out[j] = llama3(r, w); break;
        case PC_ROTARY_YARN: out[j] = yarn(r, w, j, size); break;
        }
    }
}
