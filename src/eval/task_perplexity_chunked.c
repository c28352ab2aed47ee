/* Task `perplexity_chunked`: perplexity of a text file by the protocol of llama.cpp's program, to be compared with its figure.
 *
 *   percept eval MODEL --tasks perplexity_chunked --data FILE [--context 512] [--limit CHUNKS]
 */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "decode/likelihood.h"
#include "eval/task.h"

#include <math.h>

enum { TEXT_LIMIT = 1 << 30 };

static bool matches(const char *path)
{
    (void)path;
    return false; /* by its name alone */
}

static pc_status tell(pc_json **out, const pc_perplexity *got, double deviation)
{
    double loss = -got->log_likelihood / (double)got->tokens;
    pc_json *json = pc_json_new_object();
    pc_status status;
    PC_GO(pc_json_set(json, "perplexity", pc_json_new_number(exp(loss))));
    PC_GO(pc_json_set(json, "perplexity_stderr", pc_json_new_number(exp(loss) * deviation)));
    PC_GO(pc_json_set(json, "loss", pc_json_new_number(loss)));
    PC_GO(pc_json_set(json, "tokens", pc_json_new_integer(got->tokens)));
done:
    if (status != PC_OK) {
        pc_json_free(json);
        json = NULL;
    }
    *out = json;
    return status;
}

static pc_status measure(pc_json **out, const pc_task_options *options, const pc_task_subject *subject)
{
    char *text = NULL;
    size_t length;
    double deviation = 0;
    pc_perplexity got;
    const pc_session_options session = {.compute = subject->compute, .cache = *subject->cache};
    const pc_chunked_options how = {.chunk = subject->context, .limit = options->limit};
    *out = NULL;
    PC_TRY(pc_file_read(&text, &length, options->path, TEXT_LIMIT));
    pc_status status =
        pc_perplexity_chunked(&got, &deviation, subject->model, subject->backend, &session, &how, text, length);
    pc_free(text);
    if (status == PC_ERR_DATA) {
        return pc_fail_prefix(status, "%s", options->path);
    }
    PC_TRY(status);
    return tell(out, &got, deviation);
}

const pc_task pc_task_perplexity_chunked = {
    .name = "perplexity_chunked",
    .help = "the same as llama.cpp counts it: chunks of --context tokens (512), of each the second half",
    .version = "perplexity_chunked-1",
    .matches = matches,
    .measure = measure,
};
