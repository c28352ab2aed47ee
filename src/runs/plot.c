#include "runs/plot.h"

#include <math.h>

enum { WIDTH = 800, HEIGHT = 400, MARGIN = 60, LINES = 4, COLOURS = 8 };

static const char *const colours[COLOURS] = {"#06c", "#d62", "#292", "#a2a", "#a80", "#088", "#c04", "#555"};

typedef struct range {
    double low, high;
} range;

void pc_curve_add(pc_curve *curve, double step, double steps, double value)
{
    if (isfinite(value) && step >= 0) {
        int column = (int)fmin(PC_PLOT_COLUMNS - 1, step / (steps + 1) * PC_PLOT_COLUMNS);
        curve->sum[column] += value;
        curve->count[column]++;
    }
}

static range range_of(const pc_curve *curves, int count)
{
    range r = {0, 0};
    for (int c = 0; c < count; c++) {
        for (int i = 0; i < PC_PLOT_COLUMNS; i++) {
            if (curves[c].count[i]) {
                double mean = curves[c].sum[i] / (double)curves[c].count[i];
                r.low = fmin(r.low, mean);
                r.high = fmax(r.high, mean);
            }
        }
    }
    r.high = r.high > r.low ? r.high : r.low + 1;
    return r;
}

static double height_of(range r, double value)
{
    return HEIGHT - MARGIN - (HEIGHT - 2.0 * MARGIN) * (value - r.low) / (r.high - r.low);
}

static pc_status add_escaped(pc_str *out, const char *text)
{
    for (; *text; text++) {
        PC_TRY(*text == '<'   ? pc_str_puts(out, "&lt;")
               : *text == '&' ? pc_str_puts(out, "&amp;")
                              : pc_str_putc(out, *text));
    }
    return PC_OK;
}

static pc_status add_curve(pc_str *out, const pc_curve *curve, range r, int index)
{
    const char *colour = colours[index % COLOURS];
    PC_TRY(pc_str_printf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"", colour));
    for (int i = 0; i < PC_PLOT_COLUMNS; i++) {
        if (curve->count[i]) {
            PC_TRY(pc_str_printf(out, "%.1f,%.1f ", MARGIN + (WIDTH - 2.0 * MARGIN) * (i + 0.5) / PC_PLOT_COLUMNS,
                                 height_of(r, curve->sum[i] / (double)curve->count[i])));
        }
    }
    PC_TRY(pc_str_puts(out, "\"/>\n"));
    if (curve->name) {
        PC_TRY(pc_str_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" fill=\"%s\">", WIDTH - MARGIN, MARGIN + 16 * index,
                             colour));
        PC_TRY(add_escaped(out, curve->name));
        PC_TRY(pc_str_puts(out, "</text>\n"));
    }
    return PC_OK;
}

pc_status pc_plot_svg(pc_str *out, const pc_curve *curves, int count, double steps, const char *label)
{
    range r = range_of(curves, count);
    PC_TRY(pc_str_printf(out,
                         "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
                         "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
                         WIDTH, HEIGHT));
    for (int i = 0; i <= LINES; i++) {
        double value = r.low + (r.high - r.low) * i / LINES, y = height_of(r, value);
        PC_TRY(pc_str_printf(out, "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"8\" y=\"%.1f\">%.3g</text>\n", MARGIN, y,
                             WIDTH - MARGIN, y + 4, value));
    }
    for (int c = 0; c < count; c++) {
        PC_TRY(add_curve(out, &curves[c], r, c));
    }
    PC_TRY(pc_str_printf(out, "<text x=\"%d\" y=\"%d\">step %.0f</text><text x=\"8\" y=\"20\">", WIDTH - 2 * MARGIN, HEIGHT - 20,
                         steps));
    PC_TRY(add_escaped(out, label));
    return pc_str_puts(out, "</text>\n</svg>\n");
}

enum { BAR = 14, BAR_STEP = 24, BAR_LEFT = 280, BAR_TOP = 40 };

static pc_status add_bar(pc_str *out, const pc_bar *bar, int index, double scale)
{
    double length = bar->value * scale, error = bar->error * scale, middle = BAR_TOP + BAR_STEP * (index + 0.5);
    PC_TRY(pc_str_printf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", BAR_LEFT - 8, middle + 4));
    PC_TRY(add_escaped(out, bar->name));
    PC_TRY(pc_str_printf(out, "</text><rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>", BAR_LEFT,
                         middle - BAR / 2.0, length, BAR, colours[0]));
    if (bar->error > 0) {
        PC_TRY(pc_str_printf(out, "<path d=\"M%.1f %.1fH%.1f\" stroke=\"#000\"/>", BAR_LEFT + fmax(0, length - error), middle,
                             BAR_LEFT + length + error));
    }
    return pc_str_printf(out, "<text x=\"%d\" y=\"%.1f\">%.4g</text>\n", WIDTH - MARGIN, middle + 4, bar->value);
}

pc_status pc_bars_svg(pc_str *out, const pc_bar *bars, int count, const char *label)
{
    double most = 0;
    for (int i = 0; i < count; i++) {
        most = fmax(most, bars[i].value + bars[i].error);
    }
    PC_TRY(pc_str_printf(out,
                         "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
                         "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n<text x=\"8\" y=\"20\">",
                         WIDTH, BAR_TOP + BAR_STEP * count + BAR));
    PC_TRY(add_escaped(out, label));
    PC_TRY(pc_str_puts(out, "</text>\n"));
    for (int i = 0; i < count; i++) {
        PC_TRY(add_bar(out, &bars[i], i, (WIDTH - BAR_LEFT - 1.2 * MARGIN) / (most > 0 ? most : 1)));
    }
    return pc_str_puts(out, "</svg>\n");
}
