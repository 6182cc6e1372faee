/* The operator's log: one JSON object a line on standard error. Only main, the pipeline and process loops call it. */
#ifndef EMBERGATE_LOG_H
#define EMBERGATE_LOG_H

#include <embergate/err.h>
#include <stdbool.h>

typedef enum eg_log_level { EG_LOG_DEBUG, EG_LOG_INFO, EG_LOG_WARN, EG_LOG_ERROR } eg_log_level;

void eg_log_init(const char *process, eg_log_level least, int fd); /* process: "gateway", "keeper", … */
/* {"time","level","process","event", …}. Then pairs of (name, text) up to NULL; text is escaped and cut at 1 KiB.
 * eg_log(EG_LOG_INFO, "listening", "address", addr, NULL). Bounded: above 2,000 lines a second lines are counted
 * and summed up in one. */
void eg_log(eg_log_level level, const char *event, ...) __attribute__((sentinel));
/* The same in two steps, for lines that cost something to prepare: only when eg_log_admits says true, prepare, and write it. */
bool eg_log_admits(eg_log_level level);
void eg_log_admitted(eg_log_level level, const char *event, ...) __attribute__((sentinel));
void eg_log_problem(eg_log_level level, const char *event, const eg_problem *p);

#endif
