/* The tamper-evident log: records in by two ways, one order, tiles and signed checkpoints out. audit/ implements it. */
#ifndef EMBERGATE_AUDIT_H
#define EMBERGATE_AUDIT_H

#include <embergate/clock.h>
#include <embergate/http.h>
#include <embergate/keys.h>
#include <embergate/kv.h>
#include <embergate/principal.h>

typedef struct eg_audit eg_audit;

/* The nil GUID: under its key (eg_keeper_add_tenant) the server's own log is sealed. Without it that log has no sealed halves. */
#define EG_AUDIT_SERVER_TENANT "00000000-0000-0000-0000-000000000000"

/* A record before it is written; every pointer is borrowed for the call. docs/AUDIT-RECORD.md is the schema. */
typedef struct eg_audit_record {
    eg_str tenant;             /* whose log: a tenant's id; "" = the server's own log */
    const char *event;         /* "job.submit", "storage.file.read", "identity.token.issue", "server.start", … */
    const char *outcome;       /* "allowed" | "denied" | "failed" */
    int64_t time_ns;           /* wall clock; 0 = now */
    const eg_principal *actor; /* NULL = nobody known, or the server itself */
    eg_str on_behalf_of;       /* object id asked for (doAs), "" = none */
    eg_str action;
    eg_str account;            /* storage account that resource is of, "" = none */
    eg_str resource;           /* of storage container/path; of a batch batches/{id}, of the cluster in job; else a resource id */
    eg_str job;                /* "{cluster}/{batch id}" or "" */
    eg_str rule;               /* which rule decided */
    uint64_t policy_version;
    eg_err error;              /* EG_OK, or the code */
    int status;                /* HTTP status answered; 0 = no request */
    eg_str request_id;
    eg_str source_address;
    eg_str tls;                /* "TLSv1.3 TLS_AES_256_GCM_SHA384" */
    uint64_t bytes;            /* data bytes moved; with count for aggregates */
    uint64_t count;            /* requests that this record stands for; 0 = 1 */
    const json_t *details;     /* sealed under the tenant's audit key, as the actor's name is; NULL = none */
} eg_audit_record;

typedef struct eg_audit_options {
    const char *dir;           /* audit/: journal and one folder a log */
    eg_kv *kv;
    eg_committer *committer;
    const eg_keys *keys;
    const eg_clock *clock;
    const char *origin;        /* checkpoint origin prefix: "embergate.example/log"; a log's is "{origin}/{tenant or 'server'}" */
    uint64_t journal_bytes;    /* preallocated; 0 = 64 MiB */
    unsigned checkpoint_ms;    /* 0 = 1000 */
} eg_audit_options;

/* Recovers (replays journal and outbox into tiles, each record once), starts the journal and sequencer threads. */
eg_err eg_audit_open(const eg_audit_options *o, eg_audit **ret, eg_problem *p) EG_MUST_CHECK;
void eg_audit_close(eg_audit *a);     /* all that was accepted is in a checkpoint */

/* First way in: the journal. done(ctx, err) runs in the journal's thread once the record is durable (or failed:
 * EG_ERR_AUDIT_UNAVAILABLE, and the request must then be answered 503). Bounded queue: EG_ERR_BUSY when full. */
eg_err eg_audit_append(eg_audit *a, const eg_audit_record *r, void (*done)(void *ctx, eg_err e), void *ctx) EG_MUST_CHECK;
/* The same where nobody waits for it and nothing depends on it: that it failed counts in embergate_audit_failed_total, and is told to who wants to try again.
 * audit NULL: no record is made. Never blocks. */
eg_err eg_audit_note(eg_audit *a, const eg_audit_record *r);
/* The same, waiting; not on a worker. */
eg_err eg_audit_append_wait(eg_audit *a, const eg_audit_record *r) EG_MUST_CHECK;
/* Second way in: the record as a step of a durable transaction (the outbox). The record is encoded now, into arena memory;
 * the op is valid as long as the arena. On failure *ret's apply fails the commit, so nothing is done unrecorded. */
eg_txn_op eg_audit_op(eg_audit *a, eg_arena *arena, const eg_audit_record *r);
/* Whether eg_audit_op for this tenant needs nothing but memory: its log is open. */
bool eg_audit_op_at_once(eg_audit *a, eg_str tenant);
/* To be called after a commit that held such ops, so that the sequencer looks soon; not needed for correctness. */
void eg_audit_poke(eg_audit *a);

/* Failures before authentication, added up per (code, /24 or /48, minute) with a bounded table, so that a flood can't fill the disk;
 * one summary record a minute for each row, and one for what didn't fit. Never blocks. */
void eg_audit_count_failure(eg_audit *a, eg_err e, eg_str source_address);
/* The same for what a rule denied, a row for each rule: it stands in the record. */
void eg_audit_count_denial(eg_audit *a, eg_err e, eg_str source_address, eg_str rule);
/* Repeated accesses of one resource by one principal or job (EG_RECORD_FIRST): true = this is the first, write a record;
 * false = it was added to the running sum, whose closing record comes after 60 s without access or eg_audit_access_close. */
bool eg_audit_access(eg_audit *a, const eg_audit_record *r);
void eg_audit_access_close(eg_audit *a, eg_str job);

/* Of how many logs the keeper had forgotten its last signature when they were opened: an older copy of its files was put back. Each is a record. */
size_t eg_audit_forgotten(const eg_audit *a);

/* True while records can be made durable; false = fail closed (healthz says so). */
bool eg_audit_healthy(const eg_audit *a);

/* After a tenant's keys were destroyed: its log goes on without sealed halves, and those that are there are opened for nobody. */
void eg_audit_forget_tenant(eg_audit *a, eg_str tenant);
/* For eg_rewrapper: the data keys of the logs, in the state and beside the logs. room = eg_audit*. */
eg_err eg_audit_rewrap(void *audit, const eg_rewrap *what, uint64_t *ret_moved) EG_MUST_CHECK;
/* Holds the logs as they are, between two batches: the store then says exactly what their files hold, and neither checkpoint nor journal file is replaced. For the moment
 * of a backup's snapshot, not longer: records queue up meanwhile. EG_ERR_BUSY while somebody else holds them. */
eg_err eg_audit_hold(eg_audit *a) EG_MUST_CHECK;
void eg_audit_release(eg_audit *a);

/* GET /audit/{log}/checkpoint, /tile/…, /records?job=&actor=&from=&to=&outcome=&after=, mounted by the gateway. room = eg_audit*. */
const eg_route *eg_audit_routes(size_t *ret_n);

/* Verification without a server: recomputes every tile, root and signature beneath a log's folder. */
typedef struct eg_audit_verdict {
    uint64_t size;             /* entries of the checkpoint */
    uint64_t damaged;          /* index of the first damaged record; UINT64_MAX = none */
    char damaged_what[160];    /* "record 41 (tile/entries/000.p/57) does not hash to its leaf" */
    char root[65];
} eg_audit_verdict;
/* verifier_key: "name+hash+base64", or NULL to take the folder's own vkey file (which proves less: said in the verdict). */
eg_err eg_audit_verify(const char *log_dir, const char *verifier_key, eg_audit_verdict *ret, eg_problem *p) EG_MUST_CHECK;

/* The same, and that each of these witnesses (keys, at most EG_WITNESSES_MAX) has cosigned a checkpoint which this log grew out of: EG_ERR_CORRUPT when one has not. When
 * it said so, and of how many entries, is in ret_seen[i]. */
typedef struct eg_witness_seen {
    uint64_t size;
    int64_t time_s;            /* by the witness's clock, since 1970 */
} eg_witness_seen;
eg_err eg_audit_verify_witnessed(const char *log_dir, const char *verifier_key, const char *const *witnesses, size_t n, eg_audit_verdict *ret, eg_witness_seen *ret_seen,
                                 eg_problem *p) EG_MUST_CHECK;

/* Witnesses (C2SP tlog-witness): each keeps the size and root of a log that it was last shown, cosigns what grew out of that and refuses everything else. So a log that was set
 * back is noticed even when the keeper and the whole machine were set back with it. docs/WITNESSES.md */
#define EG_WITNESSES_MAX 16u
#define EG_WITNESS_NAME_MAX 256
bool eg_witness_key_valid(eg_str key);                          /* "name+hash+base64" of one that cosigns */
/* Ids of logs in turn: after NULL the first, after the last NULL. Good as long as the audit log is open. */
const char *eg_audit_log_after(eg_audit *a, const char *id);
/* One log before one witness. Made by eg_witness_look; one thread at a time. */
typedef struct eg_witness_visit {
    const char *log;           /* id */
    eg_str key;                /* the witness's; borrowed */
    uint64_t size;             /* of the log's checkpoint */
    uint64_t cosigned;         /* size that the witness cosigned last; 0 = none that is kept here */
    int64_t cosigned_s;        /* when, since 1970 */
    eg_buf note;               /* the checkpoint */
} eg_witness_visit;
/* EG_ERR_NOT_FOUND: the log has no checkpoint yet. *ret is to be ended by eg_witness_visit_done, whatever was returned. */
eg_err eg_witness_look(eg_audit *a, const char *log, eg_str key, eg_witness_visit *ret) EG_MUST_CHECK;
void eg_witness_visit_done(eg_witness_visit *v);
/* What a witness that was last shown `old` entries (at most v->size; 0 = nothing) is to be asked, into *ret. */
eg_err eg_witness_ask(eg_audit *a, const eg_witness_visit *v, uint64_t old, eg_buf *ret) EG_MUST_CHECK;
/* What its answer says, by status and body. */
typedef enum eg_witness_says {
    EG_WITNESS_COSIGNS = 0,
    EG_WITNESS_KNOWS,          /* another size than it was said to, *ret_size */
    EG_WITNESS_REFUSES,        /* this isn't what it was shown before, or doesn't prove to be */
    EG_WITNESS_STRANGER,       /* it doesn't know the log or its key */
    EG_WITNESS_FAILS,
} eg_witness_says;
eg_witness_says eg_witness_read_answer(long status, eg_str body, uint64_t *ret_size);
/* Its answer: kept, durably, when the cosignature is right. EG_ERR_CORRUPT when it is none of the key over the checkpoint. */
eg_err eg_witness_take(eg_audit *a, const eg_witness_visit *v, eg_str answer) EG_MUST_CHECK;

#endif
