/* Errors in the shape of the API that was spoken to. */
#include <embergate/clock.h>
#include <embergate/http.h>

#include <stdio.h>

#define BODY_MAX ((size_t)4096)
#define MESSAGE_MAX 640
#define TRACE_MAX 80 /* two lines: RequestId, Time */
#define REALM "embergate"

/* What is said when nobody said more. */
static const char *const sentences[EG_CAT_COUNT] = {
    [EG_CAT_INTERNAL] = "The request failed inside the server.",
    [EG_CAT_OK] = "The request failed inside the server.",
    [EG_CAT_NOT_MODIFIED] = "The resource is as it was.",
    [EG_CAT_INVALID] = "The request is invalid.",
    [EG_CAT_UNAUTHENTICATED] = "The request is not authenticated.",
    [EG_CAT_DENIED] = "The request is not authorized.",
    [EG_CAT_NOT_FOUND] = "The resource does not exist.",
    [EG_CAT_METHOD] = "The resource does not support this method.",
    [EG_CAT_TIMEOUT] = "The request took too long.",
    [EG_CAT_CONFLICT] = "The request conflicts with the state of the resource.",
    [EG_CAT_LENGTH_REQUIRED] = "The request must say its length.",
    [EG_CAT_PRECONDITION] = "A condition of the request is not met.",
    [EG_CAT_TOO_LARGE] = "The request is too large.",
    [EG_CAT_URI_TOO_LONG] = "The request's target is too long.",
    [EG_CAT_RANGE] = "The range lies outside the resource.",
    [EG_CAT_UNPROCESSABLE] = "The request does not fit what was asked before.",
    [EG_CAT_THROTTLED] = "Too many requests.",
    [EG_CAT_HEAD_TOO_LARGE] = "The request's header fields are too large.",
    [EG_CAT_NOT_BUILT] = "The server does not implement this.",
    [EG_CAT_UNAVAILABLE] = "The server cannot answer at the moment.",
    [EG_CAT_STORAGE_FULL] = "The server has no room left.",
};

typedef struct answer {
    eg_err code;
    const char *wire;   /* code in the body */
    char message[MESSAGE_MAX + TRACE_MAX];
} answer;

/* What both storage protocols have, and the Blob API calls otherwise. A sentence stands here when the other's names the wrong thing. */
static const struct {
    eg_err code;
    const char *wire;
    const char *message;
} blob_names[] = {
    {EG_ERR_FILESYSTEM_NOT_FOUND, "ContainerNotFound", "The specified container does not exist."},
    {EG_ERR_FILESYSTEM_EXISTS, "ContainerAlreadyExists", "The specified container already exists."},
    {EG_ERR_PATH_NOT_FOUND, "BlobNotFound", "The specified blob does not exist."},
    {EG_ERR_PATH_EXISTS, "BlobAlreadyExists", "The specified blob already exists."},
    {EG_ERR_DIRECTORY_NOT_EMPTY, "DirectoryIsNotEmpty", "This operation is not permitted on a non-empty directory."},
};

/* What failed inside is for the operator's log; the peer gets the request id that leads there. */
static void fill_message(const eg_request *rq, const eg_problem *p, answer *a) {
    eg_category cat = eg_err_category(a->code);
    if (cat == EG_CAT_INTERNAL) {
        snprintf(a->message, MESSAGE_MAX, "%s Request id: %s.", sentences[cat], rq->request_id);
    } else if (!p || p->message[0] == '\0') {
        snprintf(a->message, MESSAGE_MAX, "%s", sentences[cat]);
    } else {
        snprintf(a->message, MESSAGE_MAX, "%s%s%s", p->message, p->hint[0] ? " " : "", p->hint);
    }
}

/* The SDKs show what stands in the body, and no header: without it nobody could say which request it was. */
static void add_trace(const eg_request *rq, answer *a) {
    char time[EG_RFC3339_LEN];
    const size_t n = strlen(a->message);
    eg_time_rfc3339(rq->received_ns, time);
    snprintf(a->message + n, sizeof a->message - n, "\nRequestId:%s\nTime:%s", rq->request_id, time);
}

static eg_err add_json(json_t *taken, eg_buf *ret) {
    eg_err e = taken ? eg_json_write(taken, ret) : EG_ERR_NO_MEMORY;
    json_decref(taken);
    return e;
}

static eg_err body_livy(const answer *a, eg_buf *ret) {
    return add_json(json_pack("{s:s}", "msg", a->message), ret);
}

static eg_err body_azure(const answer *a, eg_buf *ret) {
    return add_json(json_pack("{s:{s:s,s:s}}", "error", "code", a->wire, "message", a->message), ret);
}

/* RFC 6749 section 5.2 knows few codes; what else went wrong gets the nearest. A subject token that is refused is RFC 8693's invalid_request (section 2.2.2). */
static const char *oauth_code(eg_err e) {
    switch (e) {
    case EG_ERR_OAUTH_CLIENT:
    case EG_ERR_OAUTH_REQUEST:
    case EG_ERR_OAUTH_GRANT:
    case EG_ERR_OAUTH_SCOPE:
    case EG_ERR_OAUTH_TARGET:
    case EG_ERR_OAUTH_INVALID_GRANT:
    case EG_ERR_OAUTH_UNAUTHORIZED:
        return eg_err_code(e);
    default:
        break;
    }
    switch (eg_err_category(e)) {
    case EG_CAT_INTERNAL:
        return "server_error";
    case EG_CAT_UNAVAILABLE:
    case EG_CAT_THROTTLED:
    case EG_CAT_STORAGE_FULL:
        return "temporarily_unavailable";
    case EG_CAT_UNAUTHENTICATED:
        return "invalid_client";
    case EG_CAT_DENIED:
        return "unauthorized_client";
    default:
        return "invalid_request";
    }
}

static eg_err body_oauth(const answer *a, eg_buf *ret) {
    return add_json(json_pack("{s:s,s:s}", "error", oauth_code(a->code), "error_description", a->message), ret);
}

static eg_err add_xml_text(const char *z, eg_buf *ret) {
    for (; *z; z++) {
        const char *entity = *z == '<' ? "&lt;" : *z == '>' ? "&gt;" : *z == '&' ? "&amp;" : NULL;
        EG_TRY(entity ? eg_buf_adds(ret, entity) : eg_buf_add(ret, z, 1));
    }
    return EG_OK;
}

static eg_err body_blob(const answer *a, eg_buf *ret) {
    EG_TRY(eg_buf_addf(ret, "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>%s</Code><Message>", a->wire));
    EG_TRY(add_xml_text(a->message, ret));
    return eg_buf_adds(ret, "</Message></Error>");
}

static const struct {
    eg_err (*body)(const answer *a, eg_buf *ret);
    const char *type;
    const char *id_header;      /* where the request id goes */
    bool storage;               /* x-ms-error-code, and a message that ends with id and time, as Azure Storage has them */
    bool basic;                 /* challenge for Basic (RFC 6749 section 5.2) instead of Bearer */
} shapes[EG_SURFACE_COUNT] = {
    [EG_SURFACE_OPS] = {body_azure, "application/json", "x-ms-request-id", false, false},
    [EG_SURFACE_LIVY] = {body_livy, "application/json", "request-id", false, false},
    [EG_SURFACE_OAUTH] = {body_oauth, "application/json", "x-ms-request-id", false, true},
    [EG_SURFACE_DFS] = {body_azure, "application/json", "x-ms-request-id", true, false},
    [EG_SURFACE_BLOB] = {body_blob, "application/xml", "x-ms-request-id", true, false},
    [EG_SURFACE_ARM] = {body_azure, "application/json", "x-ms-request-id", false, false},
    [EG_SURFACE_AUDIT] = {body_azure, "application/json", "x-ms-request-id", false, false},
};

/* RFC 6750 section 3: error_description has neither quotes nor backslashes nor anything but ASCII; a request that
 * brought no token gets no error at all. */
static eg_err challenge(eg_request *rq, const answer *a, bool basic) {
    if (basic) {
        return eg_response_header(rq, "WWW-Authenticate", "Basic realm=\"" REALM "\"");
    }
    if (a->code == EG_ERR_TOKEN_MISSING || a->code == EG_ERR_PASSWORD || a->code == EG_ERR_CERTIFICATE) {
        return eg_response_header(rq, "WWW-Authenticate", "Bearer realm=\"" REALM "\"");
    }
    char text[sizeof a->message];
    size_t n = 0;
    for (const char *z = a->message; *z; z++) {
        text[n++] = *z < 0x20 || *z > 0x7e || *z == '\\' ? '?' : *z == '"' ? '\'' : *z;
    }
    text[n] = '\0';
    return eg_response_header(rq, "WWW-Authenticate", "Bearer realm=\"" REALM "\", error=\"invalid_token\", error_description=\"%s\"",
                              text);
}

/* A header for which there is no room is left out: the status says the most important part. */
static void add_headers(eg_request *rq, const answer *a) {
    eg_category cat = eg_err_category(a->code);
    if (cat != EG_CAT_NOT_MODIFIED) {
        (void)eg_response_header(rq, "Content-Type", "%s", shapes[rq->surface].type);
    }
    (void)eg_response_header(rq, shapes[rq->surface].id_header, "%s", rq->request_id);
    if (shapes[rq->surface].storage) {
        (void)eg_response_header(rq, "x-ms-error-code", "%s", a->wire);
    }
    if (cat == EG_CAT_UNAUTHENTICATED) {
        (void)challenge(rq, a, shapes[rq->surface].basic);
    }
    if (cat == EG_CAT_THROTTLED || cat == EG_CAT_UNAVAILABLE) {
        (void)eg_response_header(rq, "Retry-After", "%u", rq->retry_after_s ? rq->retry_after_s : 1);
    }
    if (rq->surface == EG_SURFACE_OAUTH) {
        (void)eg_response_header(rq, "Cache-Control", "no-store"); /* RFC 6749 section 5.1 */
    }
}

static void name_for_blob(answer *a) {
    for (size_t i = 0; i < sizeof blob_names / sizeof blob_names[0]; i++) {
        if (blob_names[i].code == a->code) {
            a->wire = blob_names[i].wire;
            snprintf(a->message, sizeof a->message, "%s", blob_names[i].message);
        }
    }
}

void eg_respond_problem(eg_request *rq, eg_err e, const eg_problem *p) {
    answer a = {.code = e == EG_OK || (unsigned)e >= EG_ERR_COUNT ? EG_ERR_INTERNAL : e};
    a.wire = eg_err_code(a.code);
    if ((unsigned)rq->surface >= EG_SURFACE_COUNT) {
        rq->surface = EG_SURFACE_OPS;
    }
    fill_message(rq, p, &a);
    if (rq->surface == EG_SURFACE_BLOB) {
        name_for_blob(&a);
    }
    eg_response *r = &rq->response;
    r->error = a.code;
    r->status = eg_err_http_status(a.code);
    r->has_source = false;
    r->head_length = -1;
    add_headers(rq, &a);
    if (shapes[rq->surface].storage) {
        add_trace(rq, &a);
    }
    eg_buf_done(&r->owned);
    eg_buf_init(&r->owned, BODY_MAX);
    /* RFC 9110 section 15.4.5: a 304 has no content. */
    if (eg_err_category(a.code) != EG_CAT_NOT_MODIFIED && shapes[rq->surface].body(&a, &r->owned) != EG_OK) {
        eg_buf_done(&r->owned); /* an answer without a body is still an answer */
    }
    r->bytes = eg_buf_bytes(&r->owned);
    rq->ops->respond(rq);
}
