/* Segments become ids, slots, turns and the loss mask.
 *
 *   segments  text text | <token> | media | text ...
 *   runs      [text text]          neighbouring texts, tokenised in one piece
 *   ids       t t t t    | t | m m m m | t t ...
 *
 * Where one run holds trained and untrained text (or two turns), the border between tokens is found
 * by tokenising the run up to the border as well: the ids that both have in common lie wholly
 * before it. A token that reaches over the border ("▁cat" for the blank of the template and the
 * answer's first word) belongs to the trained side, as transformers' assistant mask has it.
 */
#include "prompt/prompt_parts.h"

#include <string.h>

typedef struct builder {
    pc_prompt *out;
    const pc_tokenizer *tokenizer;
    const pc_template *chat;
    const pc_prompt_options *options;
    size_t limit;
    pc_str run;   /* text of the present run */
    pc_ids ids;   /* its ids */
    pc_ids front; /* ids of its first part */
    bool begun;   /* something stands before, so that a text is no longer the start of the string */
    int turn;     /* of the newest token */
} builder;

void pc_prompt_clear(pc_prompt *prompt)
{
    pc_ids_clear(&prompt->ids);
    pc_free(prompt->trained);
    pc_free(prompt->slots);
    pc_free(prompt->turns);
    memset(prompt, 0, sizeof *prompt);
}

static void builder_clear(builder *b)
{
    pc_str_clear(&b->run);
    pc_ids_clear(&b->ids);
    pc_ids_clear(&b->front);
}

/* Room for `count` more tokens. */
static pc_status reserve(builder *b, size_t count)
{
    size_t have = b->out->ids.count;
    if (count > b->limit - have) {
        return pc_fail(PC_ERR_DATA, "the prompt has more than %zu tokens (at token %zu)", b->limit,
                       have);
    }
    return pc_grow(&b->out->trained, &b->out->capacity, have + count, 1, "loss mask");
}

static pc_status push_id(builder *b, int32_t id, bool trained)
{
    PC_TRY(reserve(b, 1));
    PC_TRY(pc_ids_push(&b->out->ids, id));
    b->out->trained[b->out->ids.count - 1] = trained;
    return PC_OK;
}

/* The next token (at `position`) belongs to `turn`: close the open turn and open the new one. */
static pc_status enter_turn(builder *b, int turn, size_t position)
{
    pc_prompt *out = b->out;
    if (turn < 0 || turn == b->turn) {
        return PC_OK;
    }
    PC_TRY(pc_grow(&out->turns, &out->turn_capacity, out->turn_count + 1, sizeof *out->turns,
                   "turns of a prompt"));
    if (out->turn_count > 0) {
        out->turns[out->turn_count - 1].last = position;
    }
    out->turns[out->turn_count++] = (pc_turn){.first = position};
    b->turn = turn;
    return PC_OK;
}

static pc_status push_control(builder *b, const pc_segment *segment)
{
    int32_t id;
    const char *what;
    if (segment->kind == PC_SEGMENT_TOKEN) {
        what = segment->text; /* constant strings, NUL-terminated */
        id = pc_tokenizer_id(b->tokenizer, segment->text);
    } else {
        bool bos = segment->kind == PC_SEGMENT_BOS;
        what = bos ? "of the beginning (BOS)" : "of the end (EOS)";
        id = pc_tokenizer_special(b->tokenizer, bos ? PC_TOKEN_BOS : PC_TOKEN_EOS);
    }
    if (id < 0) {
        return pc_fail(PC_ERR_DATA,
                       "chat template %s needs a token %s, which the tokenizer does not have",
                       b->chat->name, what);
    }
    PC_TRY(enter_turn(b, segment->turn, b->out->ids.count));
    b->begun = true;
    return push_id(b, id, segment->trained);
}

/* A medium whose placeholders stand in several runs. */
static pc_status push_layout(builder *b, const pc_segment *segment)
{
    const int32_t id = b->options->media_id[segment->media];
    size_t from = 0;
    pc_ids_reset(&b->ids);
    PC_TRY(b->options->lay_out(b->options->user, segment->media, segment->index, &b->ids));
    PC_TRY(reserve(b, b->ids.count));
    PC_TRY(enter_turn(b, segment->turn, b->out->ids.count));
    for (size_t i = 0; i < b->ids.count;) {
        size_t run = 0;
        while (i + run < b->ids.count && b->ids.data[i + run] == id) {
            run++;
        }
        if (run) {
            PC_TRY(pc_prompt_push_slot(b->out, segment->media, segment->index, b->out->ids.count, run));
            b->out->slots[b->out->slot_count - 1].from = from;
            from += run;
        }
        for (size_t end = i + (run ? run : 1); i < end; i++) {
            PC_TRY(push_id(b, b->ids.data[i], false));
        }
    }
    b->begun = true;
    return PC_OK;
}

static pc_status push_media(builder *b, const pc_segment *segment)
{
    size_t count;
    if (b->options->lay_out && b->options->media_id[segment->media] > 0) {
        return push_layout(b, segment);
    }
    PC_TRY(pc_prompt_slot_tokens(b->options, segment->media, segment->index, &count));
    PC_TRY(enter_turn(b, segment->turn, b->out->ids.count));
    /* IDEFICS: one token stands on both sides of a picture, and once between two. */
    const pc_ids *ids = &b->out->ids;
    int32_t open = b->options->media_open[segment->media];
    bool shared = open == b->options->media_close[segment->media] && ids->count > 0 && ids->data[ids->count - 1] == open;
    if (open > 0 && !shared) {
        PC_TRY(push_id(b, b->options->media_open[segment->media], false));
    }
    PC_TRY(reserve(b, count));
    PC_TRY(pc_prompt_push_slot(b->out, segment->media, segment->index, b->out->ids.count, count));
    for (size_t i = 0; i < count; i++) {
        PC_TRY(push_id(b, b->options->media_id[segment->media], false));
    }
    if (b->options->media_close[segment->media] > 0) {
        PC_TRY(push_id(b, b->options->media_close[segment->media], false));
    }
    b->begun = true;
    return PC_OK;
}

/* Number of ids of the run that lie wholly before byte `border`; *reaches_over when the next one
 * begins before it. */
static pc_status ids_before(builder *b, size_t border, unsigned flags, size_t *count,
                            bool *reaches_over)
{
    pc_ids_reset(&b->front);
    PC_TRY(pc_tokenizer_encode(b->tokenizer, b->run.data, border, flags, &b->front));
    size_t n = 0;
    while (n < b->front.count && n < b->ids.count && b->front.data[n] == b->ids.data[n]) {
        n++;
    }
    *count = n;
    *reaches_over = n < b->front.count;
    return PC_OK;
}

/* Texts items[0..count) stand side by side. */
static pc_status push_run(builder *b, const pc_segment *items, size_t count)
{
    unsigned flags = b->begun ? PC_TOKENIZE_CONTINUE : 0;
    pc_str_reset(&b->run);
    pc_ids_reset(&b->ids);
    for (size_t i = 0; i < count; i++) {
        PC_TRY(pc_str_add(&b->run, items[i].text, items[i].length));
    }
    PC_TRY(pc_tokenizer_encode(b->tokenizer, b->run.data, b->run.length, flags, &b->ids));
    PC_TRY(reserve(b, b->ids.count));
    size_t base = b->out->ids.count;
    PC_TRY(pc_ids_add(&b->out->ids, b->ids.data, b->ids.count));
    memset(b->out->trained + base, items[0].trained, b->ids.count);
    PC_TRY(enter_turn(b, items[0].turn, base));
    size_t border = 0;
    for (size_t i = 1; i < count; i++) {
        size_t first;
        bool reaches_over;
        border += items[i - 1].length;
        if (items[i].trained == items[i - 1].trained && items[i].turn == items[i - 1].turn) {
            continue;
        }
        PC_TRY(ids_before(b, border, flags, &first, &reaches_over));
        PC_TRY(enter_turn(b, items[i].turn, base + first));
        if (reaches_over && items[i - 1].trained && first < b->ids.count) {
            first++;
        }
        memset(b->out->trained + base + first, items[i].trained, b->ids.count - first);
    }
    b->begun = true;
    return PC_OK;
}

/* Whether the tokenizer's own rule puts BOS in front of a text. */
static pc_status adds_bos(builder *b, bool *out)
{
    pc_ids_reset(&b->ids);
    PC_TRY(pc_tokenizer_encode(b->tokenizer, "", 0, PC_TOKENIZE_ADD_SPECIAL, &b->ids));
    int32_t bos = pc_tokenizer_special(b->tokenizer, PC_TOKEN_BOS);
    *out = bos >= 0 && b->ids.count > 0 && b->ids.data[0] == bos;
    return PC_OK;
}

/* What stands in front of the string; *skip = the template's own BOS is not wanted. */
static pc_status push_front(builder *b, const pc_segments *segments, bool *skip)
{
    bool own = segments->count > 0 && segments->items[0].kind == PC_SEGMENT_BOS;
    bool add = b->options->bos == PC_PROMPT_BOS_YES;
    *skip = own && b->options->bos == PC_PROMPT_BOS_NO;
    if (own || b->options->bos == PC_PROMPT_BOS_NO) {
        return PC_OK;
    }
    if (b->options->bos == PC_PROMPT_BOS_AUTO) {
        PC_TRY(adds_bos(b, &add));
    }
    if (!add) {
        return PC_OK;
    }
    int32_t bos = pc_tokenizer_special(b->tokenizer, PC_TOKEN_BOS);
    if (bos < 0) {
        return pc_fail(PC_ERR_DATA, "a BOS token was asked for, but the tokenizer has none");
    }
    return push_id(b, bos, false);
}

/* Index of the first segment of what an encoder-decoder writes: the last answer, or what is invited. */
static size_t find_written(const builder *b, const pc_segments *segments, bool invite)
{
    size_t at = segments->count;
    if (!b->options->source) {
        return SIZE_MAX;
    }
    while (!invite && at > 0 && !segments->items[at - 1].trained) {
        at--;
    }
    while (!invite && at > 0 && segments->items[at - 1].trained) {
        at--;
    }
    return at;
}

/* The source ends here: nothing of it is learnt, and what follows is a text of its own. */
static pc_status push_start(builder *b)
{
    pc_prompt *out = b->out;
    int32_t eos = pc_tokenizer_special(b->tokenizer, PC_TOKEN_EOS);
    if (eos >= 0) {
        PC_TRY(push_id(b, eos, false));
    }
    out->source = out->ids.count;
    PC_TRY(push_id(b, b->options->start, false));
    memset(out->trained, 0, out->ids.count);
    b->begun = false;
    return PC_OK;
}

static pc_status push_segments(builder *b, const pc_segments *segments, bool invite)
{
    bool skip;
    size_t opening = 0, written = find_written(b, segments, invite);
    while (b->options->bos_behind_media && opening < segments->count &&
           segments->items[opening].kind == PC_SEGMENT_MEDIA) {
        PC_TRY(push_media(b, &segments->items[opening++]));
    }
    PC_TRY(push_front(b, segments, &skip));
    b->begun = opening ? false : b->begun;
    for (size_t i = opening ? opening : skip; i < segments->count;) {
        const pc_segment *segment = &segments->items[i];
        size_t next = i + 1;
        if (i == written) {
            PC_TRY(push_start(b));
        }
        if (segment->kind == PC_SEGMENT_TEXT) {
            while (next < segments->count && next != written && segments->items[next].kind == PC_SEGMENT_TEXT) {
                next++;
            }
            PC_TRY(push_run(b, segment, next - i));
        } else if (segment->kind == PC_SEGMENT_MEDIA) {
            PC_TRY(push_media(b, segment));
        } else {
            PC_TRY(push_control(b, segment));
        }
        i = next;
    }
    if (written == segments->count) {
        PC_TRY(push_start(b));
    }
    if (b->out->turn_count > 0) {
        b->out->turns[b->out->turn_count - 1].last = b->out->ids.count;
    }
    return PC_OK;
}

/* Render and tokenise one conversation into b->out, which is empty. */
static pc_status build_whole(builder *b, const pc_conversation *conversation, bool invite,
                             pc_segments *segments)
{
    PC_TRY(pc_template_render(b->chat, conversation, invite, segments));
    b->begun = false;
    b->turn = -1;
    return push_segments(b, segments, invite);
}

/* The messages of turn [from, to) as a conversation of their own: what stands before the first user
 * message, then the media of that message, then the turn without media. */
static pc_status single_turn(pc_conversation *out, const pc_conversation *all, size_t first_user,
                             size_t from,
                             size_t to)
{
    for (size_t m = 0; m < to; m++) {
        const pc_message *message = &all->messages[m];
        if (m >= first_user && m < from) {
            continue;
        }
        PC_TRY(pc_conversation_begin(out, message->role));
        if (m == from) {
            const pc_message *opener = &all->messages[first_user];
            for (size_t p = opener->first; p < opener->first + opener->count &&
                 all->parts[p].text == NULL; p++) {
                PC_TRY(pc_conversation_add_media(out, all->parts[p].kind, all->parts[p].index));
            }
        }
        for (size_t p = message->first; p < message->first + message->count; p++) {
            const pc_part *part = &all->parts[p];
            if (part->text != NULL) {
                PC_TRY(pc_conversation_add_text(out, part->text, part->length));
            }
        }
    }
    return PC_OK;
}

/* Media must open the first user message: then they end the prefix that all turns share. */
static pc_status check_media_first(const pc_conversation *conversation, size_t first_user)
{
    const pc_message *opener = &conversation->messages[first_user];
    size_t opening = 0;
    while (opening < opener->count && conversation->parts[opener->first + opening].text == NULL) {
        opening++;
    }
    size_t all = 0;
    for (int kind = 0; kind < PC_MEDIA_KINDS; kind++) {
        all += (size_t)conversation->media_count[kind];
    }
    if (all != opening) {
        return pc_fail(PC_ERR_DATA,
                       "independent turns need all media at the front of the first user message: "
                                    "%zu of %zu are there", opening, all);
    }
    return PC_OK;
}

/* Append one turn's own prompt to b->out: the first with its prefix, the others behind the prefix
 * they share. */
static pc_status append_turn(builder *b, const pc_prompt *single)
{
    pc_prompt *out = b->out;
    size_t skip = 0;
    size_t prefix = 0;
    if (single->slot_count > 0) {
        const pc_slot *last = &single->slots[single->slot_count - 1];
        prefix = last->first + last->count;
    }
    if (out->turn_count == 0) {
        out->prefix = prefix;
        for (size_t i = 0; i < single->slot_count; i++) {
            const pc_slot *slot = &single->slots[i];
            PC_TRY(pc_prompt_push_slot(out, slot->kind, slot->index, slot->first, slot->count));
        }
    } else if (prefix != out->prefix ||
               (prefix > 0 &&
                memcmp(single->ids.data, out->ids.data, prefix * sizeof *out->ids.data) != 0)) {
        return pc_fail(PC_ERR_DATA,
                       "chat template %s gives turn %zu another beginning than turn 1: its turns "
                                    "cannot be independent", b->chat->name, out->turn_count + 1);
    } else {
        skip = prefix;
    }
    size_t base = out->ids.count;
    size_t count = single->ids.count - skip;
    PC_TRY(reserve(b, count));
    PC_TRY(pc_ids_add(&out->ids, single->ids.data + skip, count));
    if (count > 0) {
        memcpy(out->trained + base, single->trained + skip, count);
    }
    PC_TRY(pc_grow(&out->turns, &out->turn_capacity, out->turn_count + 1, sizeof *out->turns,
                   "turns of a prompt"));
    out->turns[out->turn_count] = (pc_turn){.first = base + prefix - skip, .last = out->ids.count};
    out->turn_count++;
    return PC_OK;
}

static pc_status build_independent(builder *b, const pc_conversation *conversation,
                                   pc_segments *segments)
{
    pc_status status = PC_OK;
    pc_prompt *out = b->out;
    pc_prompt single = {0};
    pc_conversation turn = {0};
    size_t first_user = 0;
    while (first_user < conversation->count &&
           conversation->messages[first_user].role != PC_ROLE_USER) {
        first_user++;
    }
    if (first_user == conversation->count) {
        return pc_fail(PC_ERR_DATA, "independent turns need a user message");
    }
    PC_TRY(check_media_first(conversation, first_user));
    for (size_t from = first_user, to; from < conversation->count; from = to) {
        for (to = from + 1; to < conversation->count; to++) {
            if (conversation->messages[to].role == PC_ROLE_USER &&
                conversation->messages[to - 1].role != PC_ROLE_USER) {
                break;
            }
        }
        pc_conversation_clear(&turn);
        pc_prompt_empty(&single);
        PC_GO(single_turn(&turn, conversation, first_user, from, to));
        b->out = &single;
        status = build_whole(b, &turn, b->options->invite && to == conversation->count, segments);
        b->out = out;
        if (status != PC_OK) {
            goto done;
        }
        PC_GO(append_turn(b, &single));
    }
done:
    pc_conversation_clear(&turn);
    pc_prompt_clear(&single);
    return status;
}

pc_status pc_prompt_build(pc_prompt *out, const pc_tokenizer *tokenizer, const pc_template *chat,
                          const pc_conversation *conversation, const pc_prompt_options *options)
{
    pc_segments segments = {0};
    builder b = {.out = out, .tokenizer = tokenizer, .chat = chat, .options = options};
    b.limit = options->limit > 0 ? options->limit : PC_PROMPT_MAX_TOKENS;
    pc_prompt_empty(out);
    pc_status status = options->turns == PC_TURNS_INDEPENDENT
                           ? build_independent(&b, conversation, &segments)
                           : build_whole(&b, conversation, options->invite, &segments);
    if (status != PC_OK) {
        pc_prompt_empty(out);
    }
    pc_segments_clear(&segments);
    builder_clear(&b);
    return status;
}

pc_status pc_prompt_stop_ids(const pc_tokenizer *tokenizer, const pc_template *chat, pc_ids *out)
{
    int32_t eos = pc_tokenizer_special(tokenizer, PC_TOKEN_EOS);
    if (eos >= 0) {
        PC_TRY(pc_ids_push(out, eos));
    }
    for (size_t i = 0; chat->stop_tokens != NULL && chat->stop_tokens[i] != NULL; i++) {
        int32_t id = pc_tokenizer_id(tokenizer, chat->stop_tokens[i]);
        if (id >= 0 && id != eos) {
            PC_TRY(pc_ids_push(out, id));
        }
    }
    return PC_OK;
}
