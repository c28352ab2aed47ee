/* TensorBoard's event files: numbers by step, which `tensorboard --logdir FOLDER` draws.
 *
 * A file is a series of records: u64 length, masked CRC-32C of those 8 bytes, the bytes of an Event message, their masked
 * CRC-32C; all little endian. Source: tensorflow/core/lib/io/record_writer.h (framing), event.proto and summary.proto
 * (fields: wall_time 1, step 2, file_version 3, summary 5; value 1; tag 1, simple_value 2).
 */
#ifndef PC_RUNS_EVENTS_H
#define PC_RUNS_EVENTS_H

#include "base/status.h"

#include <stdint.h>

typedef struct pc_events pc_events;

/* A new file FOLDER/events.out.tfevents.<seconds>.<process>.percept. pc_events_close. */
pc_status pc_events_open(pc_events **out, const char *folder);
void pc_events_close(pc_events *events); /* NULL is fine */
/* Values that are not finite are written as they are: TensorBoard shows them as such. */
pc_status pc_events_scalar(pc_events *events, int64_t step, const char *tag, double value);
pc_status pc_events_flush(pc_events *events);

/* CRC-32C (Castagnoli), as RFC 3720, B.4 defines it. */
uint32_t pc_crc32c(const void *bytes, uint64_t size);

#endif
