/* A sample as a row that the readers take (data/rows.h), so that what was cleaned is a dataset again. */
#ifndef PC_CLEAN_SAMPLE_ROW_H
#define PC_CLEAN_SAMPLE_ROW_H

#include "clean/measure.h"

/* True for a caption: one answer to a user who says nothing but a picture. Its row is "text" and a picture. */
bool pc_clean_is_caption(const pc_sample *sample);
/* Append the row's columns to `row`, without the pictures: "text" of a caption, or "messages" (with "rejected_response" or "label" of a
 * preference). Texts that hold "<image>" stand as parts, so that they are read back as texts. */
pc_status pc_clean_add_row(pc_json *row, const pc_sample *sample, const pc_clean_measures *measures);
/* Append the metadata that no column means, and what was measured: width, height, clean_words, clean_language, clean_phash, clean_similarity. */
pc_status pc_clean_add_about(pc_json *row, const pc_sample *sample, const pc_clean_measures *measures);
/* "jpg", "png" ... by the first bytes of a file; "img" for others. */
const char *pc_clean_picture_suffix(const char *bytes, size_t size);

#endif
