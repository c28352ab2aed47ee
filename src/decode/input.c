#include "decode/input.h"

#include "base/signal.h"
#include "model/tiles.h"
#include "prompt/question.h"

#include <string.h>

/* Tokens of a prompt between two looks at the signal flag. */
enum { READ_AT_ONCE = 512, MOST_INPUTS = 64 };

pc_status pc_input_init(pc_input *input)
{
    size_t context = (size_t)pc_session_context(input->session);
    PC_TRY(PC_NEW_ARRAY(input->read, context, "an answerer"));
    PC_TRY(PC_NEW_ARRAY(input->wanted, context, "an answerer"));
    PC_TRY(PC_NEW_ARRAY(input->soft, context, "an answerer"));
    PC_TRY(PC_NEW_ARRAY(input->detail, context, "an answerer"));
    return PC_NEW_ARRAY(input->positions, context * (size_t)input->model->llm.info.axes, "an answerer");
}

void pc_input_clear(pc_input *input)
{
    pc_free(input->read);
    pc_free(input->wanted);
    pc_free(input->soft);
    pc_free(input->detail);
    pc_free(input->positions);
    pc_prompt_clear(&input->prompt);
    pc_ids_clear(&input->question);
}

/* --- the prompt --- */

/* The i-th medium of a kind, or NULL. */
static const pc_answer_media *find_media(const pc_answer_request *request, pc_media_kind kind, int index)
{
    for (size_t i = 0; i < request->media_count; i++) {
        if (request->media[i].kind == kind && index-- == 0) {
            return &request->media[i];
        }
    }
    return NULL;
}

static pc_status get_picture(pc_input *input, const pc_slot *slot, const pc_picture **out)
{
    return pc_pictures_get(input->pictures, find_media(input->request, slot->kind, slot->index), &input->view, &input->question, out);
}

/* pc_slot_tokens of an input: a picture whose tokens depend on its size is encoded now. */
static pc_status slot_tokens(void *user, pc_media_kind kind, int index, size_t *out)
{
    pc_input *input = user;
    const pc_answer_media *media = find_media(input->request, kind, index);
    const pc_picture *picture;
    const bool varies = pc_model_pictures_vary(input->model) || pc_visual_shrinks(&input->model->visual);
    if (kind != PC_MEDIA_IMAGE || !media || !varies) {
        return pc_model_slot_tokens((void *)input->model, kind, index, out);
    }
    PC_TRY(pc_pictures_get(input->pictures, media, &input->view, &input->question, &picture));
    *out = (size_t)picture->tokens;
    return PC_OK;
}

/* pc_media_layout of an input. */
static pc_status lay_out(void *user, pc_media_kind kind, int index, pc_ids *out)
{
    pc_input *input = user;
    const pc_answer_media *media = find_media(input->request, kind, index);
    const pc_picture *picture;
    if (!media) {
        return pc_fail(PC_ERR_DATA, "the prompt speaks of %s %d, %zu given", pc_media_kind_name(kind), index + 1,
                       input->request->media_count);
    }
    PC_TRY(pc_pictures_get(input->pictures, media, &input->view, &input->question, &picture));
    return pc_model_lay_out(input->model, &picture->tiling, out);
}

/* One text: a template may write something between two. */
static pc_status add_told(pc_conversation *out, const char *instruction, const pc_part *part)
{
    pc_str text = {0};
    pc_status status;
    PC_GO(pc_str_puts(&text, instruction));
    PC_GO(pc_str_add(&text, part->text, part->length));
    status = pc_conversation_add_text(out, text.data, text.length);
done:
    pc_str_clear(&text);
    return status;
}

static pc_status copy_message(pc_conversation *out, const pc_conversation *from, const pc_view *view, size_t index)
{
    const pc_message *message = &from->messages[index];
    PC_TRY(pc_conversation_begin(out, message->role));
    bool told = !view->instruction || index + 1 < from->count;
    for (size_t i = message->first; i < message->first + message->count; i++) {
        const pc_part *part = &from->parts[i];
        if (part->text && !told) {
            PC_TRY(add_told(out, view->instruction, part));
            told = true;
        } else if (part->text) {
            PC_TRY(pc_conversation_add_text(out, part->text, part->length));
        } else if (!view->without_media) {
            PC_TRY(pc_conversation_add_media(out, part->kind, part->index));
        }
    }
    return PC_OK;
}

/* The conversation as the view has it. */
static pc_status view_conversation(pc_conversation *out, const pc_conversation *from, const pc_view *view)
{
    for (size_t i = 0; i < from->count; i++) {
        PC_TRY(copy_message(out, from, view, i));
    }
    return PC_OK;
}

static pc_prompt_options prompt_options(pc_input *input, bool invite)
{
    pc_prompt_options options = {.invite = invite};
    pc_model_prompt(input->model, NULL, &options);
    options.slot_tokens = slot_tokens;
    options.lay_out = input->model->tiles.framed ? lay_out : NULL;
    options.user = input;
    return options;
}

static pc_status build_ids(pc_input *input, const pc_conversation *conversation)
{
    const pc_model *model = input->model;
    pc_prompt_options options = prompt_options(input, true);
    PC_TRY(pc_prompt_build(&input->prompt, model->tokenizer, input->chat, conversation, &options));
    if (!input->prompt.ids.count) {
        options.bos = PC_PROMPT_BOS_YES; /* empty text: the beginning itself is the prompt */
        PC_TRY(pc_prompt_build(&input->prompt, model->tokenizer, input->chat, conversation, &options));
    }
    return PC_OK;
}

static pc_status check_prompt(const pc_input *input)
{
    size_t context = (size_t)pc_session_context(input->session);
    if (input->prompt.ids.count > context) {
        return pc_fail(PC_ERR_DATA, "the prompt has %zu tokens, the context holds %zu (raise it with -c)",
                       input->prompt.ids.count, context);
    }
    for (size_t i = 0; i < input->prompt.slot_count; i++) {
        const pc_slot *slot = &input->prompt.slots[i];
        if (!find_media(input->request, slot->kind, slot->index)) {
            return pc_fail(PC_ERR_DATA, "the prompt speaks of %s %d, %zu given", pc_media_kind_name(slot->kind),
                           slot->index + 1, input->request->media_count);
        }
    }
    return PC_OK;
}

/* The question for a connector that reads one. */
static pc_status ask_connector(pc_input *input, const pc_conversation *said)
{
    const pc_model *model = input->model;
    pc_ids_reset(&input->question);
    if (!model->connector.text_limit || !input->request->media_count) {
        return PC_OK;
    }
    if (!model->reader) {
        return pc_fail(PC_ERR_DATA, "%s: its connector reads the question by a tokenizer of its own, and there is no "
                                    "qformer_tokenizer", model->path);
    }
    return pc_prompt_question(&input->question, model->reader, said, (size_t)model->connector.text_limit);
}

pc_status pc_input_build(pc_input *input, const pc_answer_request *request)
{
    pc_conversation seen = {0};
    const pc_conversation *said = request->conversation;
    pc_status status;
    input->request = request;
    input->reused = 0;
    input->media_tokens = 0;
    if (request->media_count && !input->model->connector.type) {
        return pc_fail(PC_ERR_DATA, "%s: this model takes no pictures", input->model->path);
    }
    if (input->view.without_media || input->view.instruction) {
        PC_GO(view_conversation(&seen, said, &input->view));
        said = &seen;
    }
    PC_GO(ask_connector(input, said));
    PC_GO(build_ids(input, said));
    status = check_prompt(input);
done:
    pc_conversation_clear(&seen);
    return status;
}

pc_status pc_input_continue(pc_input *input, const char *text, pc_ids *ids)
{
    pc_conversation said = {0};
    pc_prompt whole = {0};
    const pc_ids *prompt = &input->prompt.ids;
    pc_prompt_options options = prompt_options(input, false);
    pc_status status;
    pc_ids_reset(ids);
    PC_GO(view_conversation(&said, input->request->conversation, &(pc_view){0}));
    PC_GO(pc_conversation_say(&said, PC_ROLE_ASSISTANT, text));
    PC_GO(pc_prompt_build(&whole, input->model->tokenizer, input->chat, &said, &options));
    if (whole.ids.count <= prompt->count || memcmp(whole.ids.data, prompt->data, prompt->count * sizeof *prompt->data) != 0) {
        PC_GO(pc_fail(PC_ERR_DATA, "the choice \"%.60s\" has no token of its own behind the prompt", text));
    }
    size_t end = whole.ids.count;
    while (end > prompt->count && !whole.trained[end - 1]) { /* what the template writes behind an answer */
        end--;
    }
    PC_GO(pc_ids_add(ids, whole.ids.data + prompt->count, end - prompt->count));
    status = ids->count ? PC_OK : pc_fail(PC_ERR_DATA, "the choice \"%.60s\" is no answer in this chat template", text);
done:
    pc_prompt_clear(&whole);
    pc_conversation_clear(&said);
    return status;
}

/* --- pictures and places --- */

/* The details that a second tower saw: of the first picture from the beginning of the text on, of others from where they stand. */
static void see_detail(pc_input *input, const pc_slot *slot, const pc_picture *picture)
{
    size_t at = slot == input->prompt.slots ? 0 : slot->first;
    if (!input->model->detail.tower.type || slot->from) {
        return;
    }
    input->detail[at] = picture->soft + (size_t)picture->tokens * (size_t)pc_model_soft_width(input->model);
    if (at < slot->first) {
        input->wanted[at].picture = picture->serial;
        input->wanted[at].row = -1;
    }
}

/* Put a slot's soft tokens at their places. */
static pc_status see_slot(pc_input *input, const pc_slot *slot)
{
    const pc_picture *picture;
    size_t width = (size_t)pc_model_soft_width(input->model);
    PC_TRY(get_picture(input, slot, &picture));
    for (size_t i = 0; i < slot->count; i++) {
        input->wanted[slot->first + i].picture = picture->serial;
        input->wanted[slot->first + i].row = (int32_t)(slot->from + i);
        input->soft[slot->first + i] = picture->soft + (slot->from + i) * width;
    }
    see_detail(input, slot, picture);
    input->media_tokens += slot->count;
    return PC_OK;
}

/* Positions of the prompt's tokens, its pictures in the order of their slots. */
static pc_status place(pc_input *input)
{
    const pc_prompt *prompt = &input->prompt;
    const pc_picture *picture;
    pc_image_tiling *tilings = NULL;
    pc_status status;
    PC_GO(PC_NEW_ARRAY(tilings, prompt->slot_count + 1, "pictures"));
    for (size_t i = 0; i < prompt->slot_count; i++) {
        PC_GO(get_picture(input, &prompt->slots[i], &picture));
        tilings[i] = picture->tiling;
    }
    pc_model_positions(input->model, prompt->ids.data, (int64_t)prompt->ids.count, tilings, (int64_t)prompt->slot_count,
                       input->positions);
done:
    pc_free(tilings);
    return status;
}

pc_status pc_input_see(pc_input *input)
{
    for (size_t i = 0; i < input->prompt.ids.count; i++) {
        input->wanted[i] = (pc_read_token){.id = input->prompt.ids.data[i]};
        input->soft[i] = input->detail[i] = NULL;
    }
    for (size_t i = 0; i < input->prompt.slot_count && !pc_signal_pending(); i++) {
        PC_TRY(see_slot(input, &input->prompt.slots[i]));
    }
    return pc_signal_pending() ? PC_OK : place(input);
}

/* --- reading --- */

static bool same_token(const pc_read_token *a, const pc_read_token *b)
{
    return a->picture == b->picture && a->row == b->row && ((a->picture && a->row >= 0) || a->id == b->id);
}

/* Whether a prompt is read in one piece: a source, or pictures whose tokens are judged by the end of the prompt (FastV). */
static bool reads_whole(const pc_input *input)
{
    return input->model->llm.info.source || input->model->visual.kind == PC_VISUAL_FASTV;
}

/* How much of the prompt the row holds. */
static size_t find_reused(const pc_input *input)
{
    size_t same = 0, have = (size_t)pc_session_row_length(input->session, input->row);
    while (same < have && same + 1 < input->prompt.ids.count && same_token(&input->read[same], &input->wanted[same])) {
        same++;
    }
    if (reads_whole(input) && (!input->model->llm.info.source || same < input->prompt.source)) {
        return 0;
    }
    return (size_t)pc_session_row_reusable(input->session, input->row, (int64_t)same);
}

static size_t at_once(const pc_input *input)
{
    return reads_whole(input) ? SIZE_MAX : READ_AT_ONCE;
}

/* The next piece of a prompt, from `at`; false when it is read. */
static bool next_piece(const pc_input *input, size_t at, pc_session_piece *piece)
{
    size_t left = input->prompt.ids.count - at;
    *piece = (pc_session_piece){
        .row = input->row,
        .ids = input->prompt.ids.data + at,
        .soft = input->soft + at,
        .detail = input->detail + at,
        .count = (int64_t)(left < at_once(input) ? left : at_once(input)),
        .positions = input->positions + at * (size_t)input->model->llm.info.axes,
        .picture_goes_on = left > READ_AT_ONCE && input->soft[at + READ_AT_ONCE],
    };
    return left > 0;
}

pc_status pc_input_read(pc_input *inputs, int count)
{
    size_t at[MOST_INPUTS], longest = 0;
    pc_session *session = inputs[0].session;
    for (int i = 0; i < count; i++) {
        longest = inputs[i].prompt.ids.count > longest ? inputs[i].prompt.ids.count : longest;
    }
    bool turned = !pc_session_expect(session, (int64_t)longest);
    for (int i = 0; i < count; i++) {
        at[i] = inputs[i].reused = turned ? 0 : find_reused(&inputs[i]);
        pc_session_row_rewind(session, inputs[i].row, (int64_t)at[i]);
        memcpy(inputs[i].read, inputs[i].wanted, inputs[i].prompt.ids.count * sizeof *inputs[i].wanted);
    }
    while (!pc_signal_pending()) {
        pc_session_piece pieces[MOST_INPUTS];
        int64_t given = 0;
        for (int i = 0; i < count; i++) {
            given += next_piece(&inputs[i], at[i], &pieces[given]);
        }
        if (!given) {
            break;
        }
        PC_TRY(pc_session_read_rows(session, pieces, given));
        for (int i = 0; i < count; i++) {
            size_t left = inputs[i].prompt.ids.count - at[i];
            at[i] += left < at_once(&inputs[i]) ? left : at_once(&inputs[i]);
        }
    }
    return PC_OK;
}

void pc_input_follow(pc_input *input, size_t place, int32_t id)
{
    input->read[place] = (pc_read_token){.id = id};
}
