#include "cli/answerer.h"

#include "eval/environment.h"

#include <stdio.h>
#include <stdlib.h>

static pc_status open_endpoint(pc_cli_answerer *out, const pc_cli_answerer_options *o)
{
    const struct {
        const char *name, *value;
    } idle[] = {{"--adapter", o->adapter}, {"--decoding", o->decoding}, {"--template", o->template_name},
                {"--mmproj", o->mmproj}, {"--visual-tokens", o->visual_tokens},
                {"--cache_type_k", o->cache.keys}, {"--cache_type_v", o->cache.values},
                {"--window", o->cache.window ? "" : NULL}, {"--pin", o->pin ? "" : NULL}};
    for (size_t i = 0; i < sizeof idle / sizeof *idle; i++) {
        if (idle[i].value) {
            return pc_fail(PC_ERR_USAGE, "%s: an endpoint answers in its own way; this is for local models", idle[i].name);
        }
    }
    const char *key = o->key_env ? getenv(o->key_env) : NULL;
    if (o->key_env && (!key || !*key)) {
        return pc_fail(PC_ERR_USAGE, "--api_key_env %s: this environment variable is not set", o->key_env);
    }
    PC_TRY(pc_endpoint_new(&out->endpoint, &(pc_endpoint_options){.base_url = o->base_url, .model = o->name, .key = key,
                                                                  .tries = o->tries, .calls_a_minute = o->calls_a_minute,
                                                                  .parallel = o->batch}));
    out->answerer = pc_endpoint_answerer(out->endpoint);
    out->template_name = "";
    return PC_OK;
}

static pc_status open_local(pc_cli_answerer *out, const pc_cli_answerer_options *o)
{
    PC_TRY(pc_decoding_parse(&out->decoding, o->decoding));
    PC_TRY(pc_cli_model_open(&out->opened, o->name, (int)o->threads, o->dtype ? o->dtype : "f32", o->template_name, o->mmproj));
    PC_TRY(pc_cli_model_pin(&out->opened, o->pin));
    PC_TRY(o->visual_tokens ? pc_model_set_visual(out->opened.model, o->visual_tokens) : PC_OK);
    PC_TRY(pc_cli_model_adapt(&out->opened, o->adapter));
    PC_TRY(pc_fingerprint_of(&out->fingerprint, out->opened.model));
    PC_TRY(pc_environment_stamp(out->stamp, o->name));
    PC_TRY(pc_cli_cache_options(&out->cache, &o->cache, out->opened.compute));
    pc_local_options options = {.context = o->context, .compute = out->opened.compute, .cache = out->cache,
                                .adapter = out->opened.adapter, .decoding = &out->decoding};
    PC_TRY(pc_local_new(&out->local, out->opened.model, out->opened.backend, &options));
    out->answerer = pc_local_answerer(out->local);
    if (o->batch > 1) {
        PC_TRY(pc_batch_new(&out->batch, out->local, out->opened.model, out->opened.backend, &options, (int)o->batch));
        out->answerer = pc_batch_answerer(out->batch);
    }
    out->template_name = pc_local_template(out->local)->name;
    snprintf(out->model, sizeof out->model, "%s", out->opened.model->path);
    return PC_OK;
}

pc_status pc_cli_answerer_open(pc_cli_answerer *out, const pc_cli_answerer_options *options)
{
    *out = (pc_cli_answerer){0};
    snprintf(out->model, sizeof out->model, "%s", options->name);
    return options->base_url ? open_endpoint(out, options) : open_local(out, options);
}

void pc_cli_answerer_close(pc_cli_answerer *a)
{
    pc_batch_free(a->batch);
    pc_local_free(a->local);
    pc_endpoint_free(a->endpoint);
    pc_decoding_clear(&a->decoding);
    pc_cli_model_close(&a->opened);
    *a = (pc_cli_answerer){0};
}
