/* Status codes and the error message: the one convention for failure in percept.
 *
 * A function that can fail returns pc_status: PC_OK (0) or a negative code. The place that knows what went
 * wrong calls pc_fail(), which stores one line for the calling thread and returns the code; callers pass the
 * code on unchanged. The line says what was expected, what was found and where (file, field, offset).
 */
#ifndef PC_BASE_STATUS_H
#define PC_BASE_STATUS_H

typedef enum pc_status {
    PC_OK = 0,
    PC_ERR_IO = -1,          /* reading or writing failed; exit code 1 */
    PC_ERR_MEMORY = -2,      /* an allocation failed; exit code 1 */
    PC_ERR_USAGE = -3,       /* an option, key or argument is wrong; exit code 2 */
    PC_ERR_DATA = -4,        /* a file or model is malformed or does not fit; exit code 3 */
    PC_ERR_DIVERGED = -5,    /* training produced non-finite numbers too often; exit code 4 */
    PC_ERR_INTERRUPTED = -6, /* stopped by a signal after saving; exit code 130 or 143 */
} pc_status;

/* Store a one-line message for this thread (at most 1023 bytes; longer is cut) and return code. */
pc_status pc_fail(pc_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* pc_fail(PC_ERR_MEMORY) with the number of bytes wanted and the purpose. */
pc_status pc_fail_memory(unsigned long long bytes, const char *what);

/* Put "prefix: " in front of this thread's message and return code (for a caller that knows the file's name). */
pc_status pc_fail_prefix(pc_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The message of the last failure on this thread; "" when there was none. Valid until the next failure. */
const char *pc_error(void);
void pc_error_clear(void);

/* Return at once when an expression fails. For functions that hold nothing to release. */
#define PC_TRY(expression)                      \
    do {                                        \
        pc_status pc_try_status = (expression); \
        if (pc_try_status != PC_OK) {           \
            return pc_try_status;               \
        }                                       \
    } while (0)

/* Jump to `done:` when an expression fails; needs a local `pc_status status`. */
#define PC_GO(expression)      \
    do {                       \
        status = (expression); \
        if (status != PC_OK) { \
            goto done;         \
        }                      \
    } while (0)

#endif
