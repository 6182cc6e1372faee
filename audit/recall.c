/* Shows the keeper at the start what it signed last of each log: with an older copy of its files it would sign a log that shrank or forked. */
#include "engine.h"

#include <stdio.h>

#define ARENA_BYTES ((size_t)64 << 10)
#define RESOURCE "/providers/Embergate/auditLogs/"

/* Durable with the store, before the keeper is told and nothing shows any more that it had forgotten. */
static eg_err record(eg_audit *a, const eg_log *g, eg_problem *p) {
    char resource[sizeof RESOURCE + EG_LOG_ID_MAX];
    snprintf(resource, sizeof resource, RESOURCE "%s", g->id);
    EG_CLEANUP(eg_arena_free_p) eg_arena *arena = eg_arena_new(ARENA_BYTES);
    if (!arena) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "No memory for the audit log.");
    }
    const eg_audit_record r = {.event = "audit.checkpoint.forgotten", .outcome = "failed", .resource = eg_str_of(resource)};
    const eg_txn_op op = eg_audit_op(a, arena, &r);
    return eg_commit(a->committer, &op, 1, p);
}

static eg_err recall_one(eg_audit *a, const eg_log *g, eg_problem *p) {
    EG_CLEANUP(eg_published_done) eg_published last;
    eg_published_init(&last);
    bool forgotten = false;
    if (!eg_published_read(g, EG_CHECKPOINT_FILE, &last)) {
        return EG_OK;
    }
    eg_signed_checkpoint c = {.origin = eg_str_of(g->origin), .body = last.checkpoint.body};
    memcpy(c.signature, last.signature, sizeof c.signature);
    eg_err e = a->keys->recall_checkpoint(a->keys->ctx, &c, false, &forgotten);
    if (e == EG_OK && forgotten) {
        a->forgotten++;
        EG_TRY(record(a, g, p));
        e = a->keys->recall_checkpoint(a->keys->ctx, &c, true, &forgotten);
    }
    if (e == EG_ERR_CORRUPT) {
        return eg_fail(p, e, "The keeper remembers another checkpoint of the audit log \"%s\" than the one that is published, or its file about that log is damaged.", g->id);
    }
    return e == EG_OK ? EG_OK : eg_fail(p, e, "The keeper was not shown the checkpoint that the audit log \"%s\" has published: %s.", g->id, eg_err_code(e));
}

eg_err eg_recall(eg_audit *a, eg_problem *p) {
    for (const eg_log *g = eg_logs_next(a->logs, NULL); g; g = eg_logs_next(a->logs, g)) {
        EG_TRY(recall_one(a, g, p));
    }
    return EG_OK;
}

size_t eg_audit_forgotten(const eg_audit *a) { return a->forgotten; }
