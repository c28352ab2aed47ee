/* The log of a training: one JSON line a step in train_log.jsonl, cut back on resume, drawn as loss.svg. */
#ifndef PC_TRAIN_LOG_H
#define PC_TRAIN_LOG_H

#include "runs/events.h"
#include "train/trainer.h"

#include <stdio.h>

typedef struct pc_train_log {
    FILE *file;
    char *path;
    pc_events *events; /* NULL = none wanted */
} pc_train_log;

/* Open for appending; lines of steps after `step` (of an interrupted run) are dropped first. tensorboard: also begin an event
 * file (runs/events.h). */
pc_status pc_train_log_open(pc_train_log *log, const char *folder, int64_t step, bool tensorboard);
/* One line: step, epoch, loss, grad_norm, learning_rate, skipped. Nothing that depends on the clock, so that a resumed
 * run's log equals an undisturbed one's. */
pc_status pc_train_log_write(pc_train_log *log, const pc_progress *progress, bool skipped);
pc_status pc_train_log_sync(pc_train_log *log);
void pc_train_log_close(pc_train_log *log);
/* Draw the losses of folder/train_log.jsonl as folder/loss.svg. */
pc_status pc_train_log_plot(const char *folder);

#endif
