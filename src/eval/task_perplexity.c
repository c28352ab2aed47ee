/* Task `perplexity`: how well a language model foretells a text.
 *
 *   percept eval MODEL --tasks perplexity --data FILE
 *
 * The figures are those of the language model harness: token, word and byte perplexity, bits per byte.
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

static pc_status tell(pc_json **out, const pc_perplexity *got)
{
    double loss = -got->log_likelihood, tokens = (double)got->tokens;
    pc_json *json = pc_json_new_object();
    pc_status status;
    PC_GO(pc_json_set(json, "perplexity", pc_json_new_number(exp(loss / tokens))));
    if (got->words) {
        PC_GO(pc_json_set(json, "word_perplexity",
                          pc_json_new_number(exp(loss / (double)got->words))));
    }
    if (got->bytes) {
        double each = loss / (double)got->bytes;
        PC_GO(pc_json_set(json, "byte_perplexity", pc_json_new_number(exp(each))));
        PC_GO(pc_json_set(json, "bits_per_byte", pc_json_new_number(each / log(2))));
    }
    PC_GO(pc_json_set(json, "loss", pc_json_new_number(loss / tokens)));
    PC_GO(pc_json_set(json, "tokens", pc_json_new_integer(got->tokens)));
    PC_GO(pc_json_set(json, "words", pc_json_new_integer(got->words)));
    PC_GO(pc_json_set(json, "bytes", pc_json_new_integer(got->bytes)));
done:
    if (status != PC_OK) {
        pc_json_free(json);
        json = NULL;
    }
    *out = json;
    return status;
}

static pc_status measure(pc_json **out, const pc_task_options *options,
                         const pc_task_subject *subject)
{
    char *text = NULL;
    size_t length;
    pc_perplexity got;
    pc_session_options session = {.context = subject->context, .compute = subject->compute, .cache = *subject->cache};
    pc_perplexity_options how = {.limit = options->limit};
    *out = NULL;
    PC_TRY(pc_file_read(&text, &length, options->path, TEXT_LIMIT));
    pc_status status = pc_perplexity_of(&got, subject->model, subject->backend, &session, &how,
                                        text, length);
    pc_free(text);
    if (status == PC_ERR_DATA) {
        return pc_fail_prefix(status, "%s", options->path);
    }
    PC_TRY(status);
    return tell(out, &got);
}

const pc_task pc_task_perplexity = {
    .name = "perplexity",
    .help = "perplexity of a text file: --data FILE or perplexity:FILE",
    .version = "perplexity-1",
    .matches = matches,
    .measure = measure,
};
