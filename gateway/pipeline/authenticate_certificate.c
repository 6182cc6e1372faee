/* A client certificate in place of a token, on listeners whose configuration takes it. */
#include "pipeline_request.h"

/* A browser sends a certificate by itself, whoever made it ask; and it says that it is one. Clients that have no token are none. */
static bool from_browser(const eg_request *rq) {
    static const char *const theirs[] = {"Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode"};
    for (size_t i = 0; i < sizeof theirs / sizeof theirs[0]; i++) {
        if (eg_request_header(rq, theirs[i]).ptr) {
            return true;
        }
    }
    return false;
}

eg_err eg_pipeline_certificate(eg_pipeline_request *c) {
    eg_request *rq = c->rq;
    if (!rq->peer.certificate.there || !rq->peer.certificate.signs_in || rq->authorization.len > 0) {
        return EG_ERR_NOT_FOUND;
    }
    EG_TRY(eg_identity_by_certificate(c->pl->o.identity, &rq->peer.certificate, &c->held, &rq->problem));
    rq->principal = c->held;
    if (from_browser(rq)) {
        return eg_fail(&rq->problem, EG_ERR_CSRF, "A browser may not sign in by its certificate alone.");
    }
    return eg_pipeline_requested_by(c);
}
