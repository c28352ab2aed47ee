/* Correcting a description by looking again: five steps, each from JSON to JSON.
 *
 *   text -> concepts  what is said to be there                            (language)
 *        -> questions about what is said of it                            (language)
 *        -> looks     boxes of each concept, answers to each question     (detector, visual question answering)
 *        -> claims    what was seen, in sentences                         (written out)
 *        -> corrected the text with what was seen against it taken out or put right, each change with its evidence (language)
 *
 * Source: Yin et al. 2023, Woodpecker (arXiv:2310.16045), section 3. Takes: whoever answers in each part (prompt/answer.h): a model of
 * this process or one behind an address. Gives: a record of all steps.
 */
#ifndef PC_AGENT_CORRECT_H
#define PC_AGENT_CORRECT_H

#include "base/json.h"
#include "prompt/answer.h"

/* How a detector is asked. */
typedef enum pc_detect_style {
    PC_DETECT_QUESTIONS, /* is there one, how many are there, where is it: a box is a ninth of the picture */
    PC_DETECT_BOXES,     /* for boxes as JSON */
} pc_detect_style;

/* Borrowed. Parts may be played by the same answerer. */
typedef struct pc_corrector {
    const pc_answerer *detector, *vqa;
    const pc_answerer *language; /* NULL: rules for plain descriptions, which take lists of things apart (words.h) */
    pc_detect_style style;
} pc_corrector;

/* *record = {text, concepts: [{name, count, boxes}], questions: [{question, concept, answers: [{answer, box}]}], claims: [text],
 * corrections: [{before, after, evidence, boxes}], corrected}; boxes are [left, top, right, bottom] in 0..1 of the picture.
 * PC_ERR_DATA when a reply can't be read; failures of those who answer. Free with pc_json_free. */
pc_status pc_correct(const pc_corrector *corrector, const pc_answer_media *picture, const char *text, pc_json **record);

/* The steps, each of which adds to the record what it is named for. */
pc_status pc_correct_concepts(const pc_corrector *corrector, pc_json *record);
pc_status pc_correct_questions(const pc_corrector *corrector, pc_json *record);
pc_status pc_correct_look(const pc_corrector *corrector, const pc_answer_media *picture, pc_json *record);
pc_status pc_correct_claims(pc_json *record);
pc_status pc_correct_text(const pc_corrector *corrector, pc_json *record);

#endif
