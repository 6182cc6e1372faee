/* Follows one batch to its end, showing its state, log and usage. */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include "cli.h"

/* `path` is the batches' collection ("/clusters/{c}/livy/batches"). *ret_exit is EG_EXIT_OK only for the state success. */
eg_err eg_cli_follow(const char *path, int64_t id, bool live, bool json, int *ret_exit, eg_problem *p) EG_MUST_CHECK;
/* How many lines of the log a page of it holds: Livy ends the last page with a mark ("\nstderr: ") that is no line. */
size_t eg_cli_log_lines(const json_t *page);
/* One line: core-seconds, memory, bytes. */
void eg_cli_print_usage(FILE *to, const json_t *batch);

#endif
