/* What is measured of a sample, each on its own: no sample knows another here. */
#ifndef PC_CLEAN_MEASURE_H
#define PC_CLEAN_MEASURE_H

#include "clean/clean.h"
#include "data/dataset.h"

/* Initialise with {0}; pc_clean_measures_clear releases. */
typedef struct pc_clean_measures {
    char *text;           /* the caption: what the assistant says, its messages joined by line feeds; owned, may be NULL */
    size_t length;        /* bytes */
    int64_t words, characters;
    double repeated;      /* share of words that the caption had before, capitals not minded */
    const char *language; /* as language.h guesses it */
    int64_t pictures, bytes; /* bytes of the smallest picture's file; 0: drawn ones have none */
    int64_t width, height;   /* of the first picture */
    int64_t side;         /* the shortest side of all pictures, pixels */
    double aspect;        /* the largest ratio of sides of all pictures */
    uint64_t content[2];  /* hash of the pictures' files, or of their pixels */
    uint64_t text_hash;   /* of the caption */
    uint64_t phash;       /* of the first picture */
    double similarity;    /* by the model of the options; NAN without one */
} pc_clean_measures;

/* Hashes of pictures are taken when `hashed`. A sample may have no caption or no picture. Thread safe. */
pc_status pc_clean_measure(pc_clean_measures *out, const pc_sample *sample, bool hashed);
/* The caption's hash alone. */
pc_status pc_clean_hash_text(uint64_t *out, const pc_sample *sample);
void pc_clean_measures_clear(pc_clean_measures *measures);

#endif
