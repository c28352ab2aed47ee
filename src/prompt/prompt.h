/* Prompts: a conversation becomes token ids, media slots and a loss mask.
 *
 * Flow: pc_conversation -> template (segments) -> pc_prompt_build -> pc_prompt -> model (splices
 * soft tokens into the slots) -> llm. Training and answering both come through here.
 *
 * The ids are those that Hugging Face's processor and tokenizer give for the string of the
 * template: text between control tokens and media is tokenised in one piece, and the placeholder of
 * a medium stands once for each soft token, as LlavaForConditionalGeneration takes it. The one
 * difference is meant: control tokens written in a user's text stay text.
 */
#ifndef PC_PROMPT_PROMPT_H
#define PC_PROMPT_PROMPT_H

#include "prompt/template.h"
#include "text/ids.h"
#include "text/tokenizer.h"

/* How many soft tokens a medium takes: *out >= 1. Answered by model/. Any failure ends the build
 * unchanged. */
typedef pc_status (*pc_slot_tokens)(void *user, pc_media_kind kind, int index, size_t *out);

typedef enum pc_prompt_bos {
    /* put BOS in front when the tokenizer's own rule does (its post-processor) */
    PC_PROMPT_BOS_AUTO,
    PC_PROMPT_BOS_YES,
    PC_PROMPT_BOS_NO, /* also drops the first BOS of a template that writes one itself */
} pc_prompt_bos;

/* Append the ids of a whole medium to *out: placeholders, and what stands before, between and behind them. */
typedef pc_status (*pc_media_layout)(void *user, pc_media_kind kind, int index, pc_ids *out);

/* How the turns of a conversation see each other. */
typedef enum pc_prompt_turns {
    PC_TURNS_HISTORY, /* each turn continues what was said: ids as a chat has them */
    /* Each turn answers as if it alone had been asked: the ids are the media prefix of the first
     * turn (system message included), then for every turn what a conversation of this turn alone
     * has behind that prefix. With an attention mask "the prefix and its own turn" and positions
     * that restart behind the prefix, training on many questions costs one encoding of the image.
     * Media must open the first user message and stand nowhere else (else PC_ERR_DATA); without
     * media there is no prefix. */
    PC_TURNS_INDEPENDENT,
} pc_prompt_turns;

/* {0} is a sensible start for text-only prompts; media need media_id and slot_tokens. */
typedef struct pc_prompt_options {
    /* end with what makes the model answer; else end behind the last message */
    bool invite;
    pc_prompt_bos bos;
    /* media that open the prompt stand before a BOS that is put in front */
    bool bos_behind_media;
    pc_prompt_turns turns;
    /* placeholder of each kind; <= 0: the model takes none of that kind */
    int32_t media_id[PC_MEDIA_KINDS];
    /* ids that stand before and behind the placeholders, outside the slot; <= 0: none */
    int32_t media_open[PC_MEDIA_KINDS], media_close[PC_MEDIA_KINDS];
    /* an encoder-decoder: EOS and `start` stand where the answer begins, in training the last one */
    bool source;
    int32_t start;
    pc_slot_tokens slot_tokens;
    pc_media_layout lay_out;          /* NULL: media_open, slot_tokens placeholders, media_close */
    void *user;                       /* for both */
    /* most tokens allowed, PC_ERR_DATA beyond; 0 = PC_PROMPT_MAX_TOKENS */
    size_t limit;
} pc_prompt_options;

#define PC_PROMPT_MAX_TOKENS ((size_t)1 << 24)

typedef struct pc_slot {
    pc_media_kind kind;
    int index;    /* which medium of its kind */
    size_t first; /* position of its first placeholder */
    size_t count; /* soft tokens */
    size_t from;  /* of the medium's soft tokens: a medium may have several slots with ids between */
} pc_slot;

/* Half-open token range [first, last) of one user message with its answer. */
typedef struct pc_turn {
    size_t first;
    size_t last;
} pc_turn;

/* Initialise with {0}; may be built into again and again, memory is kept. Release with
 * pc_prompt_clear. */
typedef struct pc_prompt {
    pc_ids ids;        /* [T] */
    /* [T] 1 where the token is a target of the loss (its prediction comes from the one before) */
    uint8_t *trained;
    size_t capacity;   /* of trained */
    pc_slot *slots;
    size_t slot_count;
    size_t slot_capacity;
    pc_turn *turns;
    size_t turn_count;
    size_t turn_capacity;
    size_t source;     /* with options.source: tokens before the start token; else 0 */
    size_t prefix;     /* with PC_TURNS_INDEPENDENT: tokens that every turn sees; else 0 */
} pc_prompt;

void pc_prompt_clear(pc_prompt *prompt);

/* Build. On failure the prompt is empty. PC_ERR_DATA: the tokenizer lacks a control token that the
 * template needs, a medium of a kind that the model does not take, a message without a place in the
 * template, too many tokens. */
pc_status pc_prompt_build(pc_prompt *out, const pc_tokenizer *tokenizer, const pc_template *chat,
                          const pc_conversation *conversation, const pc_prompt_options *options);

/* The same for ids given literally: every run of placeholders is cut into slots by slot_tokens,
 * media of a kind counting from 0. *media_count (of each kind) must be met exactly, else
 * PC_ERR_DATA with both numbers. Nothing is trained; bos, turns and invite are not looked at. Ids
 * are not compared with a vocabulary. */
pc_status pc_prompt_from_ids(pc_prompt *out, const int32_t *ids, size_t count,
                             const int media_count[PC_MEDIA_KINDS],
                             const pc_prompt_options *options);

/* Append the ids at which an answer ends: EOS and the template's stop tokens as far as the
 * tokenizer has them. */
pc_status pc_prompt_stop_ids(const pc_tokenizer *tokenizer, const pc_template *chat, pc_ids *out);

#endif
