/* Where things lie in a state directory, its format version, and the lock of who serves it. docs/STATE-DIRECTORY.md is its page. */
#ifndef GATEWAY_PROCESS_STATE_DIR_H
#define GATEWAY_PROCESS_STATE_DIR_H

#include <embergate/bytes.h>

#define EG_STATE_FORMAT "1"
#define EG_STATE_PATH_MAX 4096

/* dir/rest; EG_ERR_LIMIT when that is longer than a path may be. */
eg_err eg_state_path(const char *dir, const char *rest, char ret[EG_STATE_PATH_MAX], eg_problem *p) EG_MUST_CHECK;
/* EG_ERR_NOT_FOUND (no state directory), EG_ERR_FORMAT_VERSION; each with what to do. */
eg_err eg_state_check(const char *dir, eg_problem *p) EG_MUST_CHECK;
/* Takes run/supervisor.lock and writes our pid into it. *ret_fd stays open as long as the lock is meant. EG_ERR_LOCKED names
 * the other process; if that was killed, its children are waited for, at most 40 s. */
eg_err eg_state_lock(const char *dir, int *ret_fd, eg_problem *p) EG_MUST_CHECK;
/* The pid of whoever holds the lock now; 0 when nobody does. */
int eg_state_holder(const char *dir);

#endif
