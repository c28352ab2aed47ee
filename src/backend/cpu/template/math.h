/* Elementary functions over the level's vectors, to about two units in the last place. */

/* e^x: x = n ln 2 + r, a polynomial in r (minimax, 3.4e-9), times 2^n. NaN stays NaN. */
INLINE vf vf_exp(vf x)
{
    const vf magic = vf_set(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
    x = vf_min(vf_set(89.0f), vf_max(vf_set(-104.0f), x));
    const vf k = vf_fma(x, vf_set(1.44269504088896341f), magic);
    const vf n = k - magic;
    vf r = vf_fma(n, vf_set(-0.693359375f), x); /* ln 2 in two parts, the first exact in n r */
    r = vf_fma(n, vf_set(2.12194440e-4f), r);
    vf p = vf_set(1.395171974e-03f);
    p = vf_fma(p, r, vf_set(8.369598538e-03f));
    p = vf_fma(p, r, vf_set(4.166618735e-02f));
    p = vf_fma(p, r, vf_set(1.666651219e-01f));
    p = vf_fma(p, r, vf_set(0.5f));
    p = vf_fma(p, r * r, r) + vf_set(1.0f);
    return vf_ldexp(p, (vi)k - (vi)magic);
}

INLINE vf vf_sigmoid(vf x) { return vf_set(1.0f) / (vf_set(1.0f) + vf_exp(-x)); }

/* Near 0 an odd polynomial (minimax on [0, 0.625], 4.1e-9), elsewhere 1 - 2 / (e^2x + 1). */
INLINE vf vf_tanh(vf x)
{
    const vf y = vf_abs(x);
    const vf z = x * x;
    vf p = vf_set(-5.717044696e-03f);
    p = vf_fma(p, z, vf_set(2.065058611e-02f));
    p = vf_fma(p, z, vf_set(-5.374349654e-02f));
    p = vf_fma(p, z, vf_set(1.333149076e-01f));
    p = vf_fma(p, z, vf_set(-3.333328366e-01f));
    const vf small = vf_fma(p * z, x, x);
    const vf large = vf_set(1.0f) - vf_set(2.0f) / (vf_exp(y + y) + vf_set(1.0f));
    return vf_pick_less(y, vf_set(0.625f), small, vf_copysign(large, x));
}

/* Phi(x) of the normal distribution, and its density. With y = |x| / sqrt 2 and t = 1 / (1 + y / 2):
 * erfc(y) = t h(t) e^(-y^2), h a polynomial (minimax, 6.4e-9). The tail keeps its relative precision. */
INLINE vf vf_normal(vf x, vf *density)
{
    const vf y = vf_min(vf_set(20.0f), vf_abs(x));
    const vf square = y * y;
    const vf lost = vf_fma(y, y, -square); /* what rounding took from the square */
    const vf e = vf_exp(square * vf_set(-0.5f)) * vf_fma(lost, vf_set(-0.5f), vf_set(1.0f));
    const vf t = vf_set(1.0f) / vf_fma(y, vf_set(0.353553390593273762f), vf_set(1.0f));
    vf h = vf_set(4.364647344e-02f);
    h = vf_fma(h, t, vf_set(-2.366548926e-01f));
    h = vf_fma(h, t, vf_set(4.968174994e-01f));
    h = vf_fma(h, t, vf_set(-4.570492506e-01f));
    h = vf_fma(h, t, vf_set(1.319518685e-01f));
    h = vf_fma(h, t, vf_set(-5.790868029e-02f));
    h = vf_fma(h, t, vf_set(9.254245460e-02f));
    h = vf_fma(h, t, vf_set(1.756356806e-01f));
    h = vf_fma(h, t, vf_set(2.468249053e-01f));
    h = vf_fma(h, t, vf_set(2.820993364e-01f));
    h = vf_fma(h, t, vf_set(2.820945978e-01f));
    const vf tail = vf_set(0.5f) * t * h * e;
    *density = vf_set(0.398942280401432678f) * e;
    return vf_pick_less(x, vf_set(0.0f), tail, vf_set(1.0f) - tail);
}

/* A vector at p of which `left` floats are there; the rest reads as 0 and is not written. */
INLINE vf take(const float *p, int64_t left) { return left >= LANES ? vf_load(p) : vf_load_mask(p, vm_first(left)); }
INLINE void put(float *p, vf x, int64_t left)
{
    if (left >= LANES) {
        vf_store(p, x);
    } else {
        vf_store_mask(p, x, vm_first(left));
    }
}
