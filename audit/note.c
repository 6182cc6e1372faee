/* Records that nobody waits for: what a server learns in the background. */
#include <embergate/audit.h>
#include <embergate/metrics.h>

/* The journal's thread has counted it. */
static void nobody(void *ctx, eg_err e) {
    (void)ctx;
    (void)e;
}

eg_err eg_audit_note(eg_audit *a, const eg_audit_record *r) {
    const eg_err e = a ? eg_audit_append(a, r, nobody, NULL) : EG_OK;
    eg_metric_add(EG_METRIC_AUDIT_FAILED, e == EG_OK ? 0 : 1);
    return e;
}
