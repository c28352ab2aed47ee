/* Pictures as SVG: curves over steps (a loss of one training, or of several to compare), and bars with their errors. */
#ifndef PC_RUNS_PLOT_H
#define PC_RUNS_PLOT_H

#include "base/str.h"

#include <stdint.h>

enum { PC_PLOT_COLUMNS = 400 };

/* A curve as means over PC_PLOT_COLUMNS equal stretches. Fill with pc_curve_add. */
typedef struct pc_curve {
    const char *name; /* for the legend; NULL = none */
    double sum[PC_PLOT_COLUMNS];
    int64_t count[PC_PLOT_COLUMNS];
} pc_curve;

/* steps: the last step of the plot; values that are not finite are left out. */
void pc_curve_add(pc_curve *curve, double step, double steps, double value);
/* Append the picture; label: what the values are. Zero is on the axis. */
pc_status pc_plot_svg(pc_str *out, const pc_curve *curves, int count, double steps, const char *label);

typedef struct pc_bar {
    const char *name;
    double value, error; /* error: half the length of the line through its end; 0 = none */
} pc_bar;

/* Append a picture of bars from zero, one below the other with their values; values are not negative. */
pc_status pc_bars_svg(pc_str *out, const pc_bar *bars, int count, const char *label);

#endif
