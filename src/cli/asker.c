#include "cli/asker.h"

#include "base/file.h"
#include "base/signal.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

pc_status pc_cli_asker_open(pc_cli_answerer *out, const pc_cli_asker *o, const char *model)
{
    if (o->attempts > 1 && o->temperature <= 0) {
        *out = (pc_cli_answerer){0};
        return pc_fail(PC_ERR_USAGE, "--attempts %" PRId64 " needs --temperature above 0: a greedy reply is the same each time", o->attempts);
    }
    return pc_cli_answerer_open(out, &(pc_cli_answerer_options){
                                         .name = model, .base_url = o->base_url, .key_env = o->api_key_env, .tries = o->tries,
                                         .calls_a_minute = o->calls_a_minute, .dtype = o->dtype, .template_name = o->template_name,
                                         .mmproj = o->mmproj, .threads = o->threads, .context = o->context, .batch = o->batch_size});
}

static double cost(const pc_cli_asker *o, const pc_asking_counts *c)
{
    return ((double)c->prompt_tokens * o->price_prompt + (double)c->completion_tokens * o->price_completion) / 1e6;
}

static void show(void *user, const pc_asking_counts *c, int64_t all)
{
    const pc_cli_asker *o = user;
    if (isatty(2)) {
        fprintf(stderr, "\r\033[K%" PRId64 " of %" PRId64 ": %" PRId64 " good, %" PRId64 " refused, %" PRId64 " malformed; %" PRId64 " + %" PRId64 " tokens",
                c->done, all, c->verdicts[PC_VERDICT_GOOD], c->verdicts[PC_VERDICT_REFUSED], c->verdicts[PC_VERDICT_MALFORMED],
                c->prompt_tokens, c->completion_tokens);
        if (o->price_prompt > 0 || o->price_completion > 0) {
            fprintf(stderr, ", cost %.4f", cost(o, c));
        }
        fprintf(stderr, "%s", c->done == all ? "\r\033[K" : "");
    }
}

static int stop_wanted(void *user)
{
    (void)user;
    return pc_signal_pending();
}

pc_asking_options pc_cli_asker_options(const pc_cli_asker *o, const pc_cli_answerer *who, const char *folder)
{
    return (pc_asking_options){.answerer = &who->answerer, .folder = folder, .max_tokens = o->max_new_tokens, .temperature = o->temperature,
                               .seed = (uint64_t)o->seed, .batch = o->batch_size, .attempts = o->attempts, .max_failures = o->max_failures,
                               .budget = o->budget, .progress = show, .stop = stop_wanted, .user = (void *)o};
}

const char *pc_cli_asker_model(const pc_cli_answerer *who)
{
    return who->endpoint ? who->model : pc_path_base(who->model);
}

void pc_cli_asker_tell(const pc_cli_asker *o, const pc_asking_counts *c)
{
    printf("%" PRId64 " requests", c->done);
    for (int v = 0; v < PC_VERDICTS; v++) {
        if (c->verdicts[v]) {
            printf(", %" PRId64 " %s", c->verdicts[v], pc_verdict_name((pc_verdict)v));
        }
    }
    if (c->resumed) {
        printf("; %" PRId64 " were there before", c->resumed);
    }
    if (c->again) {
        printf("; %" PRId64 " further attempts", c->again);
    }
    printf("\n%" PRId64 " tokens of requests, %" PRId64 " of replies", c->prompt_tokens, c->completion_tokens);
    if (o->price_prompt > 0 || o->price_completion > 0) {
        printf(", cost %.4f", cost(o, c));
    }
    printf("\n");
}
