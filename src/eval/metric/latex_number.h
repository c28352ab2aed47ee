/* The value of a LaTeX expression without variables. */
#ifndef PC_EVAL_METRIC_LATEX_NUMBER_H
#define PC_EVAL_METRIC_LATEX_NUMBER_H

#include <stdbool.h>

/* Numbers, + - * / ^, \frac \sqrt \pi \times \cdot \div, brackets of three kinds, juxtaposition; "$" and \displaystyle are passed over and ":"
 * divides, as latex2sympy reads them. False when the text holds anything else, nests deeper than 32, or the value is not
 * finite. */
bool pc_latex_number(double *out, const char *text);

#endif
