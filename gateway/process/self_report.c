/* Records of the server about itself: a clock that was set, descriptors that ran out, a store that was changed behind its back. */
#include "self_report.h"

#include <embergate/log.h>
#include <embergate/metrics.h>

#include <stdio.h>

static void recorded(void *ctx, eg_err e) {
    (void)ctx;
    if (e != EG_OK) {
        eg_log(EG_LOG_ERROR, "audit_record_failed", "error", eg_err_code(e), NULL);
    }
}

static eg_err record(eg_audit *a, const char *event, const char *outcome, json_t *details) {
    const eg_audit_record r = {.event = event, .outcome = outcome, .details = details};
    const eg_err e = eg_audit_append(a, &r, recorded, NULL);
    json_decref(details);
    return e;
}

/* Times in the log before and after don't compare, and tokens may seem expired or not yet valid: whoever reads it must be able to tell. */
void eg_self_report_clock(eg_audit *a, int64_t seconds) {
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)seconds);
    eg_log(EG_LOG_WARN, "clock.jumped", "seconds", text, NULL);
    const eg_err e = record(a, "server.clock.jump", "allowed", json_pack("{s:I}", "seconds", (json_int_t)seconds));
    if (e != EG_OK) {
        recorded(NULL, e);
    }
}

void eg_self_report_older(eg_audit *a, const char *database) {
    eg_log(EG_LOG_ERROR, "store.older", "database", database, NULL);
    const eg_err e = record(a, "server.store.older", "failed", json_pack("{s:s}", "database", database));
    if (e != EG_OK) {
        recorded(NULL, e);
    }
}

void eg_self_report_digest_begun(eg_audit *a) {
    eg_log(EG_LOG_WARN, "store.digest_begun", NULL);
    const eg_err e = record(a, "server.store.digest_begun", "allowed", json_object());
    if (e != EG_OK) {
        recorded(NULL, e);
    }
}

void eg_self_report_forgotten(const eg_audit *a) {
    char text[24];
    (void)snprintf(text, sizeof text, "%zu", eg_audit_forgotten(a));
    if (eg_audit_forgotten(a) > 0) {
        eg_log(EG_LOG_ERROR, "audit.checkpoint_forgotten", "logs", text, NULL);
    }
}

void eg_self_report_witness(eg_audit *a, const char *name, eg_err e, const char *why) {
    eg_log(e == EG_OK ? EG_LOG_INFO : EG_LOG_WARN, e == EG_OK ? "witness.back" : "witness.away", "witness", name, "error", e == EG_OK ? "" : eg_err_code(e), "message", why, NULL);
    const eg_audit_record r = {.event = "audit.witness", .outcome = e == EG_OK ? "allowed" : "failed", .resource = eg_str_of(name), .error = e};
    const eg_err recorded_as = eg_audit_note(a, &r);
    if (recorded_as != EG_OK) {
        recorded(NULL, recorded_as);
    }
}

void eg_self_report_witness_conflict(eg_audit *a, const char *name, const char *log, uint64_t seen, uint64_t size) {
    char resource[128], here[24], there[24];
    (void)snprintf(resource, sizeof resource, "/providers/Embergate/auditLogs/%s", log);
    (void)snprintf(here, sizeof here, "%llu", (unsigned long long)size);
    (void)snprintf(there, sizeof there, seen == EG_WITNESS_OTHERS ? "others" : "%llu", (unsigned long long)seen);
    eg_log(EG_LOG_ERROR, "witness.conflict", "witness", name, "log", log, "seen", there, "here", here, NULL);
    json_t *details = json_pack("{s:s,s:s,s:s}", "witness", name, "seen", there, "here", here);
    const eg_audit_record r = {.event = "audit.witness.conflict", .outcome = "failed", .resource = eg_str_of(resource), .details = details};
    const eg_err e = eg_audit_note(a, &r);
    json_decref(details);
    if (e != EG_OK) {
        recorded(NULL, e);
    }
}

void eg_self_report_tick(eg_self_report *r, eg_audit *a, int64_t mono_ns) {
    const int64_t now = eg_metric_get(EG_METRIC_DESCRIPTORS_SHORT);
    if (now != r->told && mono_ns >= r->next_ns) {
        char text[24];
        (void)snprintf(text, sizeof text, "%lld", (long long)(now - r->told));
        eg_log(EG_LOG_ERROR, "descriptors.short", "times", text, NULL);
        r->owed += now - r->told;
        r->told = now;
        r->next_ns = mono_ns + EG_SELF_REPORT_PAUSE_NS;
    }
    /* The audit log wants descriptors too: while there are none it may take no record. */
    if (r->owed > 0 && mono_ns >= r->retry_ns) {
        r->retry_ns = mono_ns + EG_SELF_REPORT_RETRY_NS;
        if (record(a, "server.descriptors.short", "failed", json_pack("{s:I}", "times", (json_int_t)r->owed)) == EG_OK) {
            r->owed = 0;
        }
    }
}
