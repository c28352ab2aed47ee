#include "train/mix.h"

#include <math.h>

void pc_mix_weights(double *weights, const int64_t *sizes, const double *factors, int count, double temperature)
{
    for (int i = 0; i < count; i++) {
        double factor = factors ? factors[i] : 1;
        weights[i] = sizes[i] > 0 ? factor * pow((double)sizes[i], 1 / temperature) : 0;
    }
}
