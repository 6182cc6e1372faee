/* Negotiation of the service's version. */
#include "service_version.h"

/* Azure knows bearer tokens since the first. All versions are answered alike, so that clients newer than this program are content; the
 * second ends what could be one. */
#define FIRST "2017-11-09"
#define BEYOND "2030-01-01"

static bool is_date(eg_str v) {
    for (size_t i = 0; i < v.len; i++) {
        const bool dash = i == 4 || i == 7;
        if (dash ? v.ptr[i] != '-' : v.ptr[i] < '0' || v.ptr[i] > '9') {
            return false;
        }
    }
    const int month = v.len == 10 ? (v.ptr[5] - '0') * 10 + v.ptr[6] - '0' : 0;
    const int day = v.len == 10 ? (v.ptr[8] - '0') * 10 + v.ptr[9] - '0' : 0;
    return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

eg_err eg_service_version(eg_request *rq) {
    const eg_str v = eg_request_header(rq, "x-ms-version");
    if (!v.ptr) {
        return eg_response_header(rq, "x-ms-version", "%s", EG_SERVICE_VERSION);
    }
    /* Dates of this form are in the order of their text. */
    if (!is_date(v) || memcmp(v.ptr, FIRST, 10) < 0 || memcmp(v.ptr, BEYOND, 10) >= 0) {
        (void)eg_response_header(rq, "x-ms-version", "%s", EG_SERVICE_VERSION);
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The value for the header x-ms-version is not a version of the service.");
    }
    return eg_response_header(rq, "x-ms-version", "%.*s", EG_FMT(v));
}
