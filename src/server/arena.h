/* A page on this machine where a person votes, blind, between two models' answers to one question.
 *
 *   GET  /          the page           GET /next     the next pair: question, answers left and right, no names
 *   GET  /image/K   a picture          POST /vote    {"token", "pair", "choice": "left" | "right" | "tie"}
 *   GET  /ratings   Elo and Bradley-Terry of the votes so far, with names
 *
 * Votes are lines {"id", "question", "a", "b", "prediction": "a" | "b" | "tie", "left"} of a file, on the disk before the reply: that
 * file is both the predictions and the references of `percept score bradley_terry`. Pairs that it holds are not shown again. The
 * server hears 127.0.0.1 alone, requests must name it so, and a vote carries the token of the page.
 */
#ifndef PC_SERVER_ARENA_H
#define PC_SERVER_ARENA_H

#include "eval/gallery.h"

typedef struct pc_arena_page pc_arena_page;

typedef struct pc_arena_options {
    const pc_gallery *gallery; /* borrowed */
    const char *votes;         /* the file; made when it isn't there */
    uint64_t seed;             /* of the order of pairs and of the sides */
    int port;                  /* 0 = a free one */
} pc_arena_options;

/* Serves from now on, in a thread of its own. PC_ERR_USAGE when percept was built without libmicrohttpd; PC_ERR_IO when the port or
 * the file can't be had; PC_ERR_DATA for a file of other votes. */
pc_status pc_arena_page_new(pc_arena_page **out, const pc_arena_options *options);
void pc_arena_page_free(pc_arena_page *page); /* stops; NULL is fine */

int pc_arena_page_port(const pc_arena_page *page);
/* Pairs in all, and voted on. */
void pc_arena_page_counts(const pc_arena_page *page, int64_t *pairs, int64_t *voted);

#endif
