/* A concept found in a picture: how many there are and where, from somebody who answers questions. */
#ifndef PC_AGENT_DETECT_H
#define PC_AGENT_DETECT_H

#include "agent/correct.h"

/* Adds `count` and `boxes` [[left, top, right, bottom]] in 0..1 to concept {name}. With PC_DETECT_QUESTIONS there is a box for a single
 * one whose place was told. PC_ERR_DATA when a reply holds no boxes that can be read. */
pc_status pc_detect(const pc_corrector *corrector, const pc_answer_media *picture, pc_json *concept);

/* The question about what lies in a box alone. */
pc_status pc_detect_ask_crop(const pc_answerer *who, const pc_answer_media *picture, const pc_json *box, const char *question,
                             size_t most, pc_str *out);

#endif
