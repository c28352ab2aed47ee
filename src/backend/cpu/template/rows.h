/* Functions on rows: sums, norms, rotations, scores of attention, the optimizer's step. */

static void rows_add(float *out, const float *x, const float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        put(out + i, take(x + i, n - i) + take(y + i, n - i), n - i);
    }
}

static void rows_multiply(float *out, const float *x, const float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        put(out + i, take(x + i, n - i) * take(y + i, n - i), n - i);
    }
}

static void rows_scale(float *out, const float *x, float factor, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        put(out + i, take(x + i, n - i) * vf_set(factor), n - i);
    }
}

static void rows_add_scaled(float *out, const float *x, float factor, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        put(out + i, vf_fma(take(x + i, n - i), vf_set(factor), take(out + i, n - i)), n - i);
    }
}

/* Four running vectors hide the latency of the addition; their order depends on n alone. */
#define REDUCE(n, i, term)                                              \
    vf s0 = vf_set(0), s1 = s0, s2 = s0, s3 = s0;                       \
    int64_t i = 0;                                                      \
    for (; i + 4 * LANES <= (n); i += LANES) {                          \
        s0 = term(s0), i += LANES;                                      \
        s1 = term(s1), i += LANES;                                      \
        s2 = term(s2), i += LANES;                                      \
        s3 = term(s3);                                                  \
    }                                                                   \
    for (; i < (n); i += LANES) {                                       \
        s0 = term(s0);                                                  \
    }                                                                   \
    const vf total = (s0 + s1) + (s2 + s3)

static float rows_sum(const float *x, int64_t n)
{
#define TERM(s) ((s) + take(x + i, n - i))
    REDUCE(n, i, TERM);
#undef TERM
    return vf_sum(total);
}

static float rows_dot(const float *x, const float *y, int64_t n)
{
#define TERM(s) vf_fma(take(x + i, n - i), take(y + i, n - i), s)
    REDUCE(n, i, TERM);
#undef TERM
    return vf_sum(total);
}

/* Sum of (x - mean)^2; the absent lanes of the last vector count nothing. */
INLINE float sum_of_squares(const float *x, float mean, int64_t n)
{
    const vf m = vf_set(mean);
    vf s0 = vf_set(0);
    vf s1 = s0;
    int64_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        const vf a = vf_load(x + i) - m;
        const vf b = vf_load(x + i + LANES) - m;
        s0 = vf_fma(a, a, s0);
        s1 = vf_fma(b, b, s1);
    }
    for (; i + LANES <= n; i += LANES) {
        const vf a = vf_load(x + i) - m;
        s0 = vf_fma(a, a, s0);
    }
    float sum = vf_sum(s0 + s1);
    for (; i < n; i++) {
        sum += (x[i] - mean) * (x[i] - mean);
    }
    return sum;
}

static float rows_max(const float *x, int64_t n)
{
    vf top = vf_set(-INFINITY);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        top = vf_max(vf_load(x + i), top);
    }
    float result = vf_top(top);
    for (; i < n; i++) {
        result = x[i] > result ? x[i] : result;
    }
    return result;
}

static float rows_sum_exp(const float *x, float shift, int64_t n)
{
    const vf m = vf_set(shift);
    vf s0 = vf_set(0);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        s0 = s0 + vf_exp(vf_load(x + i) - m);
    }
    float part[LANES] = {0};
    vf_store(part, vf_exp(take(x + i, n - i) - m));
    float sum = vf_sum(s0);
    for (int j = 0; j < n - i; j++) {
        sum += part[j];
    }
    return sum;
}

static void rows_exp_scaled(float *out, const float *x, float shift, float factor, float offset, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        put(out + i, vf_fma(vf_exp(take(x + i, n - i) - vf_set(shift)), vf_set(factor), vf_set(-offset)), n - i);
    }
}

static void rows_layer_norm(float *out, const float *x, const float *w, const float *b, float eps, int64_t n)
{
    const float mean = rows_sum(x, n) / (float)n;
    const float scale = 1.0f / sqrtf(sum_of_squares(x, mean, n) / (float)n + eps);
    for (int64_t i = 0; i < n; i += LANES) {
        const vf centred = (take(x + i, n - i) - vf_set(mean)) * vf_set(scale);
        put(out + i, vf_fma(centred, take(w + i, n - i), b ? take(b + i, n - i) : vf_set(0)), n - i);
    }
}

/* With x^ = (x - mean) * scale and g = dy * w: dx = scale (g - mean(g) - x^ mean(g x^)). */
static void rows_layer_norm_grad(float *dx, float *dw, float *db, const float *x, const float *w, const float *dy,
                                 float eps, int64_t n)
{
    const float mean = rows_sum(x, n) / (float)n;
    const float scale = 1.0f / sqrtf(sum_of_squares(x, mean, n) / (float)n + eps);
    vf sum_g = vf_set(0);
    vf sum_gx = vf_set(0);
    for (int64_t i = 0; i < n; i += LANES) {
        const vf d = take(dy + i, n - i);
        const vf g = d * take(w + i, n - i); /* absent lanes are 0 */
        const vf hat = (take(x + i, n - i) - vf_set(mean)) * vf_set(scale);
        sum_g = sum_g + g;
        sum_gx = vf_fma(g, hat, sum_gx);
        put(dw + i, vf_fma(d, hat, take(dw + i, n - i)), n - i);
        put(db + i, d + take(db + i, n - i), n - i);
    }
    const vf mean_g = vf_set(vf_sum(sum_g) / (float)n);
    const vf mean_gx = vf_set(vf_sum(sum_gx) / (float)n);
    for (int64_t i = 0; i < n; i += LANES) {
        const vf g = take(dy + i, n - i) * take(w + i, n - i);
        const vf hat = (take(x + i, n - i) - vf_set(mean)) * vf_set(scale);
        put(dx + i, (g - mean_g - hat * mean_gx) * vf_set(scale), n - i);
    }
}

static void rows_rms_norm(float *out, const float *x, const float *w, float eps, int64_t n)
{
    const float scale = 1.0f / sqrtf(rows_dot(x, x, n) / (float)n + eps);
    for (int64_t i = 0; i < n; i += LANES) {
        put(out + i, take(x + i, n - i) * vf_set(scale) * take(w + i, n - i), n - i);
    }
}

/* With x^ = x * scale and g = dy * w: dx = scale (g - x^ mean(g x^)). */
static void rows_rms_norm_grad(float *dx, float *dw, const float *x, const float *w, const float *dy, float eps,
                               int64_t n)
{
    const float scale = 1.0f / sqrtf(rows_dot(x, x, n) / (float)n + eps);
    vf sum_gx = vf_set(0);
    for (int64_t i = 0; i < n; i += LANES) {
        const vf d = take(dy + i, n - i);
        const vf hat = take(x + i, n - i) * vf_set(scale);
        sum_gx = vf_fma(d * take(w + i, n - i), hat, sum_gx);
        put(dw + i, vf_fma(d, hat, take(dw + i, n - i)), n - i);
    }
    const vf mean_gx = vf_set(vf_sum(sum_gx) / (float)n);
    for (int64_t i = 0; i < n; i += LANES) {
        const vf hat = take(x + i, n - i) * vf_set(scale);
        put(dx + i, (take(dy + i, n - i) * take(w + i, n - i) - hat * mean_gx) * vf_set(scale), n - i);
    }
}

/* The angle is reduced by multiples of pi/2 in double, so that large positions keep full precision; the rest, within
 * [-pi/4, pi/4], goes through f32 polynomials (minimax, 5e-12 and 1e-10). */
static void rows_rope_angles(float *cosine, float *sine, double position, const float *frequency, int64_t n)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds to an integer */
    for (int64_t i = 0; i < n; i++) {
        const double angle = position * (double)frequency[i];
        const double shifted = angle * 0.63661977236758134308 + magic;
        const double turns = shifted - magic;
        uint64_t bits;
        memcpy(&bits, &shifted, sizeof bits);
        /* pi/2 in two parts; the first has 33 bits, so that its product with a `turns` below 2^20 is exact. */
        const float r = (float)((angle - turns * 1.57079632673412561417) - turns * 6.07710050650619224932e-11);
        const float z = r * r;
        const float s = r + r * z * (-1.666666716e-01f + z * (8.333329111e-03f + z * (-1.983925613e-04f
                        + z * 2.717564485e-06f)));
        const float c = 1.0f - 0.5f * z + z * z * (4.166664556e-02f + z * (-1.388730598e-03f + z * 2.443120502e-05f));
        const float sine_of = bits & 1 ? c : s;
        const float cosine_of = bits & 1 ? s : c;
        sine[i] = bits & 2 ? -sine_of : sine_of;
        cosine[i] = (bits + 1) & 2 ? -cosine_of : cosine_of;
    }
}

static void rows_rope_halves(float *out, const float *x, const float *cosine, const float *sine, float sign, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        const vf a = take(x + i, n - i);
        const vf b = take(x + n + i, n - i);
        const vf c = take(cosine + i, n - i);
        const vf s = take(sine + i, n - i) * vf_set(sign);
        put(out + i, a * c - b * s, n - i);
        put(out + n + i, b * c + a * s, n - i);
    }
}

static void rows_rope_pairs(float *out, const float *x, const float *cosine, const float *sine, float sign, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const float a = x[2 * i];
        const float b = x[2 * i + 1];
        const float s = sine[i] * sign;
        out[2 * i] = a * cosine[i] - b * s;
        out[2 * i + 1] = b * cosine[i] + a * s;
    }
}

static void rows_to_f32(float *out, const void *x, pc_dtype dtype, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        put(out + i, load_number(x, dtype, i, n - i), n - i);
    }
}

/* Loshchilov & Hutter 2019, algorithm 2, in torch's order of operations. */
static void rows_adamw(float *p, const float *grad, float *m, float *v, const pc_cpu_adamw *step, int64_t n)
{
    const vf root = vf_set(1.0f / step->root_correction2);
    for (int64_t i = 0; i < n; i += LANES) {
        const vf g = take(grad + i, n - i) * vf_set(step->gradient_scale);
        const vf m0 = take(m + i, n - i);
        const vf m1 = vf_fma(g - m0, vf_set(step->one_less_beta1), m0);
        const vf v1 = vf_fma(g * g, vf_set(step->one_less_beta2), take(v + i, n - i) * vf_set(step->beta2));
        const vf p0 = take(p + i, n - i);
        const vf p1 = vf_fma(p0, vf_set(-step->decay), p0);
        const vf q = m1 / vf_fma(vf_sqrt(v1), root, vf_set(step->eps));
        put(m + i, m1, n - i);
        put(v + i, v1, n - i);
        put(p + i, vf_fma(q, vf_set(-step->rate), p1), n - i);
    }
}

static void rows_score_max(float *max, const float *s, int64_t ld, int rows, int64_t keys, const int32_t *low,
                           const int32_t *high, float scale)
{
    for (int r = 0; r < rows; r += LANES) {
        const vi from = vi_load(low + r);
        const vi to = vi_load(high + r);
        const vf factor = vf_set(scale);
        vf top = vf_load(max + r);
        for (int64_t j = 0; j < keys; j++) {
            const vf x = vf_load(s + j * ld + r) * factor;
            top = vf_max(vf_pick_within(from, vi_set((int32_t)j), to, x, vf_set(-INFINITY)), top);
        }
        vf_store(max + r, top);
    }
}

static void rows_score_exp(float *s, float *sum, const float *max, int64_t ld, int rows, int64_t keys,
                           const int32_t *low, const int32_t *high, float scale)
{
    for (int r = 0; r < rows; r += LANES) {
        const vi from = vi_load(low + r);
        const vi to = vi_load(high + r);
        const vf factor = vf_set(scale);
        const vf shift = vf_load(max + r);
        vf total = vf_load(sum + r);
        for (int64_t j = 0; j < keys; j++) {
            const vf e = vf_exp(vf_load(s + j * ld + r) * factor - shift);
            const vf seen = vf_pick_within(from, vi_set((int32_t)j), to, e, vf_set(0));
            total = total + seen;
            vf_store(s + j * ld + r, seen);
        }
        vf_store(sum + r, total);
    }
}

static void rows_score_grad(float *p, float *dp, float lse, float delta, float scale, int64_t n)
{
    const vf factor = vf_set(scale);
    for (int64_t i = 0; i < n; i += LANES) {
        const vf e = vf_exp(take(p + i, n - i) * factor - vf_set(lse));
        put(p + i, e, n - i);
        put(dp + i, e * (take(dp + i, n - i) - vf_set(delta)) * factor, n - i);
    }
}
