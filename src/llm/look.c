#include "llm/llm.h"
#include "ops/rows.h"

void pc_llm_look_at(pc_graph *graph, const pc_llm_io *io, int index, pc_tensor *q, pc_tensor *k, double scale)
{
    pc_llm_look *look = io->look;
    if (!look || look->layer != index) {
        return;
    }
    q = io->rows ? q : pc_take_rows(graph, q, look->rows); /* [R,H,E] */
    pc_tensor *ranges = pc_take_rows(graph, io->ranges, look->rows);
    const pc_look_params params = {.scale = scale, .page_rows = PC_CACHE_PAGE, .columns = look->columns, .heads = look->heads};
    look->weights = pc_look(graph, q, k, ranges, io->cache ? io->pages : NULL, params); /* [R,C] */
}
