/* A runner as it is seen from outside: its directory, whether it lives, how it ended, and its sealed log.
 *
 * One runner is one small process per master, worker or batch. Its directory is {clusters_dir}/{cluster}/run/{kind}-{id}/, made by the
 * launcher (owner: the launcher's user; group: the gateway's; 0751), and holds:
 *   lock    an open-file-description lock is on it while the runner lives; nobody else ever takes it
 *   runner  JSON: pid, start time (/proc/{pid}/stat field 22), boot id; durable before the program is started
 *   log     what the program wrote, sealed (docs/RUNNER-FILES.md)
 *   exit    JSON: how it ended; empty until then
 *   credential  0600 of the cluster's user; emptied at the end
 * The gateway reads these by its group; the cluster's user can read none but `credential`. A directory is used once: a runner that
 * died without writing `exit` is dead, and nothing is started in that directory again. */
#ifndef EG_COMPUTE_RUNNER_H
#define EG_COMPUTE_RUNNER_H

#include <embergate/crypto.h>

typedef enum eg_runner_kind {
    EG_RUNNER_NONE = 0,
    EG_RUNNER_MASTER,
    EG_RUNNER_WORKER,
    EG_RUNNER_BATCH,
    EG_RUNNER_KIND_COUNT
} eg_runner_kind;

const char *eg_runner_kind_name(eg_runner_kind k);   /* "master", "worker", "batch", "none"; static */

#define EG_RUNNER_ID_MAX 40         /* bytes of an id: digits, letters, '-' ; checked by eg_runner_id_valid */
#define EG_RUNNER_LOG_KEY_LEN 32
#define EG_RUNNER_LOG_MAX (64u << 20) /* bytes of program output kept; more is read and dropped, and a last line says so */

bool eg_runner_id_valid(eg_str id);
bool eg_runner_cluster_valid(eg_str cluster);        /* a name that can be a directory: [a-z0-9][a-z0-9-]{0,62} */

/* Which runner. All text borrowed. */
typedef struct eg_runner_ref {
    const char *clusters_dir;
    const char *cluster;
    eg_runner_kind kind;
    const char *id;                 /* of a batch: its number; of masters and workers: "{generation}" and "{generation}-{n}" */
} eg_runner_ref;

typedef enum eg_runner_state {
    EG_RUNNER_UNKNOWN = 0,          /* not to be used as an answer */
    EG_RUNNER_ABSENT,               /* no directory: never started, or discarded */
    EG_RUNNER_RUNNING,
    EG_RUNNER_ENDED,                /* `exit` was written */
    EG_RUNNER_DEAD,                 /* gone without a word (kill -9, power cut), or never got as far as its program */
} eg_runner_state;

typedef struct eg_runner_status {
    eg_runner_state state;
    int64_t pid;                    /* RUNNING: the runner's own */
    int64_t started_ns;             /* wall clock; 0 = not known */
    /* ENDED: */
    int exit_code;                  /* of the program; -1 when a signal ended it or it could not be started */
    int signal;                     /* that ended it, or 0 */
    bool start_failed;              /* the program could not be executed */
    bool stopped;                   /* somebody asked for the end (eg_launcher_stop) before it came */
    bool over_disk;                 /* ended by its runner: it used more disk than its bound */
    bool log_cut;                   /* output went beyond EG_RUNNER_LOG_MAX */
    int64_t ended_ns;
    int64_t user_us, system_us;     /* CPU of the program and the descendants it waited for */
    int64_t max_rss_kb;
} eg_runner_status;

/* Looks; never blocks on the runner. EG_ERR_CORRUPT for files that are not what they should be. Any thread. */
eg_err eg_runner_look(const eg_runner_ref *ref, eg_runner_status *ret, eg_problem *p) EG_MUST_CHECK;

/* {clusters_dir}/{cluster}/run/{kind}-{id}[/{file}]. EG_ERR_INVALID for a name that is none, EG_ERR_LIMIT when it doesn't fit. */
eg_err eg_runner_path(const eg_runner_ref *ref, const char *file, char *ret, size_t cap) EG_MUST_CHECK;

/* Lines of the log, also while it is written. The file is read from its start, so call from the pool. */
typedef struct eg_runner_log {
    uint64_t total;                 /* lines so far; a last one without its newline counts */
    uint64_t from;                  /* number of the first line in `lines` */
    size_t count;
    eg_buf lines;                   /* `count` lines, each ended by '\n'; invalid UTF-8 replaced; a line is cut at 64 KiB */
    bool cut;                       /* the bound was reached, the rest dropped */
    bool damaged;                   /* a record doesn't open (tampering); what stands before it is given */
} eg_runner_log;

/* from < 0: the last `size` lines. from >= total: count 0. At most `size` lines and EG_RUNNER_LOG_PAGE_MAX bytes. An absent log is empty.
 * The caller ends *ret with eg_runner_log_done. */
#define EG_RUNNER_LOG_PAGE_MAX (8u << 20)
eg_err eg_runner_log_read(const eg_runner_ref *ref, eg_bytes log_key, int64_t from, size_t size, eg_runner_log *ret, eg_problem *p) EG_MUST_CHECK;
void eg_runner_log_done(eg_runner_log *l);

#endif
