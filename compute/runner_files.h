/* The files of a runner's directory, for the launcher and the runner itself. */
#ifndef EG_COMPUTE_RUNNER_FILES_H
#define EG_COMPUTE_RUNNER_FILES_H

#include "runner.h"

#define EG_RUNNER_FORMAT 1
#define EG_RUNNER_FILE_LOCK "lock"
#define EG_RUNNER_FILE_RECORD "runner"
#define EG_RUNNER_FILE_LOG "log"
#define EG_RUNNER_FILE_EXIT "exit"
#define EG_RUNNER_FILE_CREDENTIAL "credential"

/* Takes the lock for the open file description of fd (it passes on through fork and goes when the last copy is closed). EG_ERR_LOCKED. */
eg_err eg_runner_lock(int fd) EG_MUST_CHECK;
/* As eg_runner_look, in an open directory. */
eg_err eg_runner_look_at(int dir_fd, eg_runner_status *ret, eg_problem *p) EG_MUST_CHECK;

/* What tells a process from a later one with the same pid. */
typedef struct eg_runner_birth {
    int64_t pid;
    uint64_t start_ticks;            /* /proc/{pid}/stat field 22 */
    char boot_id[EG_UUID_LEN];
} eg_runner_birth;
eg_err eg_runner_started(int64_t pid, eg_runner_birth *ret) EG_MUST_CHECK;              /* of a process now; EG_ERR_NOT_FOUND */
eg_err eg_runner_birth_at(int dir_fd, eg_runner_birth *ret, eg_problem *p) EG_MUST_CHECK; /* as recorded */

/* The sealed log, writing side. Buffers; a record is written at 32 KiB and at each flush. */
typedef struct eg_runner_log_writer eg_runner_log_writer;
/* fd is borrowed, empty and open for writing. `name` binds the records to their runner: "{cluster}/{kind}-{id}". */
eg_err eg_runner_log_writer_new(int fd, eg_bytes log_key, const char *name, eg_runner_log_writer **ret) EG_MUST_CHECK;
/* Never fails: what can't be stored (full disk) is counted, dropped, and said in the log when it can be written again. */
void eg_runner_log_write(eg_runner_log_writer *w, eg_bytes chunk);
void eg_runner_log_flush(eg_runner_log_writer *w);
bool eg_runner_log_was_cut(const eg_runner_log_writer *w);
void eg_runner_log_writer_free(eg_runner_log_writer *w);
/* The same with a bound other than EG_RUNNER_LOG_MAX, for tests. */
void eg_runner_log_writer_bound(eg_runner_log_writer *w, uint64_t file_bytes);

#endif
