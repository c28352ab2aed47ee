#include "eval/metric/latex_number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 32 };

/* Wide enough for 3^1009, which stands in fractions of olympiad problems. */
typedef struct reader {
    const char *at;
    int depth;
    bool bad;
} reader;

static long double sum(reader *r);

static long double fail(reader *r)
{
    r->bad = true;
    return 0;
}

static void skip(reader *r)
{
    for (size_t passed = 1; passed;) {
        passed = strspn(r->at, " $");
        passed += strncmp(r->at + passed, "\\displaystyle", 13) == 0 ? 13 : 0;
        r->at += passed;
    }
}

static bool accept(reader *r, const char *token)
{
    skip(r);
    size_t length = strlen(token);
    if (strncmp(r->at, token, length) != 0) {
        return false;
    }
    r->at += length;
    return true;
}

static long double inside(reader *r, const char *close)
{
    if (++r->depth > DEPTH) {
        return fail(r);
    }
    long double value = sum(r);
    r->depth--;
    return accept(r, close) ? value : fail(r);
}

static long double braces(reader *r)
{
    return accept(r, "{") ? inside(r, "}") : fail(r);
}

static long double unsigned_number(reader *r)
{
    size_t length = strspn(r->at, "0123456789.");
    char *end;
    long double value = strtold(r->at, &end);
    if (!length || end != r->at + length) {
        return fail(r);
    }
    r->at = end;
    return value;
}

static long double atom(reader *r)
{
    if (accept(r, "\\frac")) {
        long double above = braces(r), below = braces(r);
        return below != 0 ? above / below : fail(r);
    }
    if (accept(r, "\\sqrt")) {
        long double degree = accept(r, "[") ? inside(r, "]") : 2;
        long double radicand = braces(r);
        return degree == 2 ? sqrtl(radicand) : powl(radicand, 1 / degree);
    }
    if (accept(r, "\\pi")) {
        return 3.14159265358979323846L;
    }
    return accept(r, "(") ? inside(r, ")") : accept(r, "{") ? inside(r, "}") : accept(r, "[") ? inside(r, "]") : unsigned_number(r);
}

static long double power(reader *r)
{
    long double base = atom(r);
    if (!r->bad && accept(r, "^")) {
        skip(r);
        bool braced = *r->at == '{', negative = !braced && accept(r, "-");
        long double exponent = braced ? braces(r) : atom(r);
        return powl(base, negative ? -exponent : exponent);
    }
    return base;
}

static bool starts_atom(const reader *r)
{
    return *r->at && (strchr("0123456789.({", *r->at) || strncmp(r->at, "\\frac", 5) == 0 || strncmp(r->at, "\\sqrt", 5) == 0 ||
                      strncmp(r->at, "\\pi", 3) == 0);
}

static long double product(reader *r)
{
    long double value = power(r);
    while (!r->bad) {
        skip(r);
        if (accept(r, "*") || accept(r, "\\times") || accept(r, "\\cdot")) {
            value *= power(r);
        } else if (accept(r, "/") || accept(r, "\\div") || accept(r, ":")) {
            long double below = power(r);
            value = below != 0 ? value / below : fail(r);
        } else if (starts_atom(r)) {
            value *= power(r);
        } else {
            break;
        }
    }
    return value;
}

static long double sum(reader *r)
{
    long double sign = accept(r, "-") ? -1 : (accept(r, "+"), 1);
    long double value = sign * product(r);
    while (!r->bad) {
        if (accept(r, "+")) {
            value += product(r);
        } else if (accept(r, "-")) {
            value -= product(r);
        } else {
            break;
        }
    }
    return value;
}

bool pc_latex_number(double *out, const char *text)
{
    reader r = {.at = text};
    *out = (double)sum(&r);
    skip(&r);
    return !r.bad && !*r.at && isfinite(*out);
}
