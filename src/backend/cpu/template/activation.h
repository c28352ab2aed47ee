/* Activations and their derivatives. The switch over the kind stands outside the loops. */

INLINE vf act(const pc_activation kind, vf x)
{
    vf density;
    switch (kind) {
    case PC_ACT_GELU: return x * vf_normal(x, &density);
    case PC_ACT_GELU_TANH: { /* 0.5 (1 + tanh u) = sigmoid(2 u) */
        const vf y = vf_min(vf_set(15.0f), vf_max(vf_set(-15.0f), x));
        return x * vf_sigmoid(vf_set(1.59576912160573071f) * vf_fma(y * y * y, vf_set(0.044715f), y));
    }
    case PC_ACT_QUICK_GELU: return x * vf_sigmoid(vf_set(1.702f) * x);
    case PC_ACT_SILU: return x * vf_sigmoid(x);
    case PC_ACT_RELU: return vf_max(x, vf_set(0.0f));
    case PC_ACT_TANH: return vf_tanh(x);
    case PC_ACT_SIGMOID: return vf_sigmoid(x);
    case PC_ACT_EXP: return vf_exp(x);
    }
    return x;
}

/* f'(x), and f(x) by the way. */
INLINE vf act_slope(const pc_activation kind, vf x, vf *value)
{
    const vf one = vf_set(1.0f);
    vf s;
    vf density;
    switch (kind) {
    case PC_ACT_GELU:
        s = vf_normal(x, &density);
        *value = x * s;
        return vf_fma(vf_min(vf_set(20.0f), vf_max(vf_set(-20.0f), x)), density, s);
    case PC_ACT_GELU_TANH: {
        const vf y = vf_min(vf_set(15.0f), vf_max(vf_set(-15.0f), x));
        const vf z = y * y;
        s = vf_sigmoid(vf_set(1.59576912160573071f) * vf_fma(z * y, vf_set(0.044715f), y));
        *value = x * s;
        return vf_fma(y * s * (one - s) * vf_set(1.59576912160573071f), vf_fma(z, vf_set(0.134145f), one), s);
    }
    case PC_ACT_QUICK_GELU:
    case PC_ACT_SILU: {
        const vf slope = vf_set(kind == PC_ACT_SILU ? 1.0f : 1.702f);
        const vf y = vf_min(vf_set(100.0f), vf_max(vf_set(-100.0f), x)) * slope;
        s = vf_sigmoid(y);
        *value = x * s;
        return vf_fma(y * s, one - s, s);
    }
    case PC_ACT_RELU:
        *value = vf_max(x, vf_set(0.0f));
        return vf_pick_less(vf_set(0.0f), x, one, vf_set(0.0f));
    case PC_ACT_TANH:
        *value = s = vf_tanh(x);
        return vf_fma(-s, s, one);
    case PC_ACT_SIGMOID:
        *value = s = vf_sigmoid(x);
        return s * (one - s);
    case PC_ACT_EXP:
        *value = s = vf_exp(x);
        return s;
    }
    *value = x;
    return one;
}

#define FOR_KIND(kind, call)                                              \
    switch (kind) {                                                       \
    case PC_ACT_GELU: call(PC_ACT_GELU); break;                           \
    case PC_ACT_GELU_TANH: call(PC_ACT_GELU_TANH); break;                 \
    case PC_ACT_QUICK_GELU: call(PC_ACT_QUICK_GELU); break;               \
    case PC_ACT_SILU: call(PC_ACT_SILU); break;                           \
    case PC_ACT_RELU: call(PC_ACT_RELU); break;                           \
    case PC_ACT_TANH: call(PC_ACT_TANH); break;                           \
    case PC_ACT_SIGMOID: call(PC_ACT_SIGMOID); break;                     \
    case PC_ACT_EXP: call(PC_ACT_EXP); break;                             \
    }

static void rows_activation(pc_activation kind, float *out, const float *x, int64_t n)
{
#define CALL(k)                                                \
    for (int64_t i = 0; i < n; i += LANES) {                   \
        put(out + i, act(k, take(x + i, n - i)), n - i);       \
    }
    FOR_KIND(kind, CALL)
#undef CALL
}

static void rows_activation_grad(pc_activation kind, float *out, const float *x, const float *dy, int64_t n)
{
    vf value;
#define CALL(k)                                                                              \
    for (int64_t i = 0; i < n; i += LANES) {                                                 \
        put(out + i, take(dy + i, n - i) * act_slope(k, take(x + i, n - i), &value), n - i); \
    }
    FOR_KIND(kind, CALL)
#undef CALL
}

static void rows_glu(pc_activation kind, float *out, const float *gate, const float *up, int64_t n)
{
#define CALL(k)                                                                       \
    for (int64_t i = 0; i < n; i += LANES) {                                          \
        put(out + i, act(k, take(gate + i, n - i)) * take(up + i, n - i), n - i);     \
    }
    FOR_KIND(kind, CALL)
#undef CALL
}

static void rows_glu_grad(pc_activation kind, float *dgate, float *dup, const float *gate, const float *up,
                          const float *dy, int64_t n)
{
#define CALL(k)                                                         \
    for (int64_t i = 0; i < n; i += LANES) {                            \
        vf value;                                                       \
        const vf d = take(dy + i, n - i);                               \
        const vf u = take(up + i, n - i);                               \
        const vf slope = act_slope(k, take(gate + i, n - i), &value);   \
        put(dgate + i, d * u * slope, n - i);                           \
        put(dup + i, d * value, n - i);                                 \
    }
    FOR_KIND(kind, CALL)
#undef CALL
}
