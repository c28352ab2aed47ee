/* The normalisation of answers of the VQA evaluation (Antol et al. 2015; GT-Vision-Lab/VQA, vqaEval.py of revision a013f00). */
#ifndef PC_EVAL_METRIC_VQA_WORDS_H
#define PC_EVAL_METRIC_VQA_WORDS_H

#include "base/str.h"

/* *out (emptied first) = the text with punctuation, digits, articles and contractions as the evaluation compares them. */
pc_status pc_vqa_normalise(pc_str *out, const char *text);

#endif
