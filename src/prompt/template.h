/* Chat templates: how a conversation is laid out for one family of language models.
 *
 * Flow: pc_conversation -> pc_template_render -> pc_segments. The same code serves training and
 * answering.
 *
 * A template is a constant descriptor (one file a family under template/, one line a descriptor in
 * list.h). It carries the Jinja text that saving writes to chat_template.jinja; rendering that text
 * with Hugging Face's tools gives the same string. A checkpoint's own template is recognised by
 * comparing its normalised text: see pc_template_find.
 */
#ifndef PC_PROMPT_TEMPLATE_H
#define PC_PROMPT_TEMPLATE_H

#include "prompt/segments.h"

typedef struct pc_template {
    const char *name;
    const char *help;  /* one line: which models speak it */
    const char *jinja; /* for chat_template.jinja */
    /* Fingerprints of other texts that mean the same; NULL-terminated, or NULL. */
    const char *const *known;
    /* Texts at which an answer ends; NULL-terminated, or NULL. */
    const char *const *stops;
    /* Control tokens at which an answer ends, beside EOS; NULL-terminated, or NULL. */
    const char *const *stop_tokens;
    /* Said when the conversation has no system message; NULL = nothing. */
    const char *system;
    /* The template to train with when this one does not mark where an answer ends, so that a model
     * would never learn to stop; NULL = itself. */
    const char *train_as;
    /* What stands before the first message; may be NULL. */
    void (*begin)(pc_segments *segments, const struct pc_template *self,
                  const pc_conversation *conversation);
    /* One message, by its position. */
    void (*message)(pc_segments *segments, const struct pc_template *self,
                    const pc_conversation *conversation,
                    size_t position);
    /* What invites the model to answer; may be NULL. */
    void (*invite)(pc_segments *segments, const struct pc_template *self);
} pc_template;

/* *out becomes the conversation's segments, with `invite` followed by what makes the model answer.
 * PC_ERR_DATA for an empty conversation and for a message that the template has no place for (a
 * tool's result, a late system message). */
pc_status pc_template_render(const pc_template *self, const pc_conversation *conversation,
                             bool invite,
                             pc_segments *out);

/* The template that a checkpoint's chat_template text means; PC_ERR_DATA naming the text's
 * fingerprint when none does (the caller then needs `--template NAME`). */
pc_status pc_template_find(const pc_template **out, const char *jinja, size_t length);
/* PC_ERR_USAGE with a suggestion for an unknown name. */
pc_status pc_template_by_name(const pc_template **out, const char *name);
/* The i-th descriptor in list.h, NULL past the last. */
const pc_template *pc_template_at(size_t i);

/* Append the canonical form of a Jinja text: comments and {% generation %} tags dropped, white
 * space that Jinja ignores (trim_blocks and lstrip_blocks on, as transformers has them) removed,
 * one quoting, a['b'] as a.b. Two texts with one canonical form render alike. */
pc_status pc_jinja_normalise(const char *jinja, size_t length, pc_str *out);
/* The first 32 hexadecimal digits of the SHA-256 of the canonical form. */
pc_status pc_jinja_fingerprint(const char *jinja, size_t length, char out[33]);

#endif
