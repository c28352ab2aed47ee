/* Messages for people. Library code prints nothing: it calls pc_log, and the program decides where it goes. */
#ifndef PC_BASE_LOG_H
#define PC_BASE_LOG_H

typedef enum pc_log_level { PC_LOG_DEBUG, PC_LOG_INFO, PC_LOG_WARNING, PC_LOG_ERROR } pc_log_level;
typedef void (*pc_log_sink)(void *user, pc_log_level level, const char *line);

/* Set once by the program before it starts threads; NULL (the start value) drops everything. */
void pc_log_set_sink(pc_log_sink sink, void *user);
void pc_log(pc_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
