/* Which pictures were kept, so that duplicates are found.
 *
 * Files that are equal are found by a hash of 128 bits. Pictures that look alike are found by perceptual hashes that differ in at most
 * `near` of 64 bits: a hash is cut into near + 1 bands, and two hashes so near agree in a band at least; candidates are those that
 * agree in one (Manku, Jain, Das Sarma 2007, Detecting near-duplicates for web crawling). All of them are found, none by chance.
 * Memory for each picture: 16 bytes for equal files in a table that is at most three quarters full, and 20 + 4 (near + 1) for near ones.
 */
#ifndef PC_CLEAN_SEEN_H
#define PC_CLEAN_SEEN_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct pc_clean_key {
    uint64_t content[2]; /* of the file */
    uint64_t phash;
    uint64_t text;       /* hash of the caption when pairs are compared, else 0 */
} pc_clean_key;

typedef enum pc_clean_found { PC_SEEN_NOT, PC_SEEN_SAME, PC_SEEN_NEAR } pc_clean_found;

typedef struct pc_clean_seen pc_clean_seen;

/* near: -1 (equal files alone) to 16. */
pc_status pc_clean_seen_new(pc_clean_seen **out, int near);
void pc_clean_seen_free(pc_clean_seen *seen); /* NULL is fine */
pc_status pc_clean_seen_add(pc_clean_seen *seen, const pc_clean_key *key);
/* Several threads may ask at once while nobody adds. */
pc_clean_found pc_clean_seen_find(const pc_clean_seen *seen, const pc_clean_key *key);

/* How many times each text was there: a count for each different one, 16 bytes in a table at most three quarters full. */
typedef struct pc_clean_uses pc_clean_uses;
pc_status pc_clean_uses_new(pc_clean_uses **out);
void pc_clean_uses_free(pc_clean_uses *uses); /* NULL is fine */
pc_status pc_clean_uses_add(pc_clean_uses *uses, uint64_t text);
int64_t pc_clean_uses_of(const pc_clean_uses *uses, uint64_t text);

#endif
