/* A grid of trainings, each evaluated by the same tasks: what `percept sweep` does. Internal to cli/.
 *
 * Flow: SWEEP.yaml -> pc_sweep -> points (every combination of the axes' values, for each seed) -> for each point
 * `percept train` and `percept eval` as programs of their own, so that one that fails takes no other with it -> point.json
 * in its folder -> results.json, table.md and plots over all of them.
 */
#ifndef PC_CLI_SWEEP_H
#define PC_CLI_SWEEP_H

#include "base/json.h"
#include "base/memory.h"

enum { PC_SWEEP_AXES = 8 };

typedef struct pc_sweep {
    pc_json *file; /* the YAML as objects; leaves are texts */
    const char *recipe, *output_dir, *tasks;
    bool without_images; /* evaluate with grey pictures as well */
    int axes;
    size_t values[PC_SWEEP_AXES]; /* of each axis */
    char **seeds;
    size_t seed_count;
    pc_arena arena;
} pc_sweep;

/* PC_ERR_USAGE names file and line or key; release with pc_sweep_clear also after a failure. */
pc_status pc_sweep_read(pc_sweep *out, const char *path);
void pc_sweep_clear(pc_sweep *sweep);

size_t pc_sweep_points(const pc_sweep *sweep); /* of the grid, seeds counted */

/* Point `index`: seeds vary first, then the last axis. */
typedef struct pc_sweep_point {
    const char *labels[PC_SWEEP_AXES]; /* of the value on each axis */
    const char *seed;
    const char **settings; /* key=value for the recipe; the later wins */
    int setting_count;
    char *folder; /* output_dir/LABEL-LABEL/seed-SEED */
} pc_sweep_point;

/* All of it lives in the sweep's arena. */
pc_status pc_sweep_point_at(pc_sweep_point *out, pc_sweep *sweep, size_t index);
const char *pc_sweep_axis(const pc_sweep *sweep, int axis); /* its name */

/* results: array of the points' point.json. Writes results.json, table.md and one plot-TASK.svg a task into output_dir. */
pc_status pc_sweep_report(const pc_sweep *sweep, const pc_json *results);

#endif
