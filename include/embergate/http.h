/* The contract between the door, the pipeline and the handlers of every room: routes, requests, responses.
 *
 * Life of a request (gateway/pipeline/pipeline.c has the table of steps):
 *   door frames the head → route → authenticate → network → decide → begin() → body()… → end() → record → respond.
 * begin() and body() run on the connection's worker and must not block. end() runs on the worker too, or in the thread pool
 * when the route says EG_ROUTE_BLOCKING. A handler answers once, with one of the eg_respond_* calls, from any thread and at
 * any time from begin() on; after that it touches the request no more, except in free_state(). Returning an error from
 * begin, body or end answers with that error and rq->problem in the shape of the route's surface. */
#ifndef EMBERGATE_HTTP_H
#define EMBERGATE_HTTP_H

#include <embergate/arena.h>
#include <embergate/json.h>
#include <embergate/kv.h>
#include <embergate/principal.h>

/* Which API is spoken; fixes the shape of errors and how authentication is challenged. */
typedef enum eg_surface {
    EG_SURFACE_OPS = 0,  /* /healthz, /metrics */
    EG_SURFACE_LIVY,     /* {"msg":…} */
    EG_SURFACE_OAUTH,    /* {"error","error_description"}, RFC 6749 section 5.2 */
    EG_SURFACE_DFS,      /* {"error":{"code","message"}} and x-ms-* headers */
    EG_SURFACE_BLOB,     /* XML */
    EG_SURFACE_ARM,      /* {"error":{"code","message"}} */
    EG_SURFACE_AUDIT,    /* as ARM */
    EG_SURFACE_COUNT
} eg_surface;

typedef enum eg_record_mode {
    EG_RECORD_EACH = 0,  /* one audit record a request (the default: nothing is forgotten) */
    EG_RECORD_FIRST,     /* the first access of a resource by a principal or job; later ones are added up into a closing record */
    EG_RECORD_AGGREGATE, /* only added up */
    EG_RECORD_NONE,      /* health and metrics */
} eg_record_mode;

enum {
    EG_ROUTE_PUBLIC = 1,       /* no token asked for */
    EG_ROUTE_BLOCKING = 2,     /* end() runs in the pool */
    EG_ROUTE_DATA_ACTION = 4,  /* `action` is a data action */
    EG_ROUTE_JOB_TOKEN = 8,    /* a job's token is accepted here */
    EG_ROUTE_ANY_PRINCIPAL = 16, /* authenticated is enough: the handler narrows the answer to what its asker may see */
    EG_ROUTE_LOOPBACK = 32,      /* a peer on a loopback address needs no token; all others need `action` */
    EG_ROUTE_ACL = 128,          /* what no role grants is decided by the room: rq->way is then EG_WAY_ACL, and a success without a check is refused */
    EG_ROUTE_OWN_TENANT = 256,   /* the path names no tenant: the resource is the asker's own, whose tenant rq->tenant then is */
    EG_ROUTE_TRY_FIRST = 64,     /* with BLOCKING: end() is first tried on the worker, see eg_request.must_not_wait */
};

/* By what a request got past the decision. */
typedef enum eg_way {
    EG_WAY_NONE = 0,     /* not decided: nothing may be done */
    EG_WAY_ROLE,         /* a role assignment grants the route's action */
    EG_WAY_ACL,          /* nothing yet: the room asks access control lists */
    EG_WAY_KEY,          /* the account's key: everything on this account */
    EG_WAY_SAS,          /* signed with the account's key; rq->bounds narrows it */
} eg_way;

#define EG_ROUTE_PARAMS_MAX 6

typedef struct eg_request eg_request;

/* One row of a room's route table. `pattern` is matched on the path after the surface's own prefix was cut off
 * (eg_request.path): literal segments (on ARM without regard to case), "{name}" for one segment, "{name*}" for the rest (at least one byte), and
 * at the beginning "/{*name}" for all segments (at least one) before what the rest of the pattern takes; its parameter begins with a slash.
 * Parameters are given decoded, in order, in rq->params. The first row that fits wins. */
typedef struct eg_route {
    eg_surface surface;
    const char *method;        /* "GET" also serves HEAD unless a HEAD row stands before it */
    const char *pattern;
    const char *query;         /* "name=value" or "name" that must be in the query; NULL = any */
    const char *action;        /* Azure action or data action; NULL only with PUBLIC or ANY_PRINCIPAL */
    /* The scope of the decision: a resource id in the request's arena. NULL = the surface's own resource (rq->scope). */
    eg_err (*scope)(eg_request *rq, eg_str *ret);
    eg_record_mode record;
    unsigned flags;
    size_t max_body;           /* bytes collected into rq->body; with body(): the largest length accepted, 0 = no body */
    eg_err (*begin)(eg_request *rq);                 /* may be NULL */
    eg_err (*body)(eg_request *rq, eg_bytes chunk);  /* NULL: the body is collected into rq->body */
    eg_err (*end)(eg_request *rq);
    const char *event;         /* audit event type, "storage.file.append" */
} eg_route;

typedef struct eg_header {
    eg_str name;   /* as sent; compare with eg_str_ieq */
    eg_str value;  /* blanks around it removed */
} eg_header;

/* A client's certificate as the door saw it. Nobody vouches for what stands in it: all that is known is that the peer has the key (or resumed a session that
 * began with it). */
typedef struct eg_peer_certificate {
    bool asked;                /* the listener asks for one */
    bool signs_in;             /* and takes it in place of a token */
    bool there;
    int64_t from_s, until_s;   /* its validity, seconds since 1970 */
    uint8_t key[EG_SHA256_LEN];        /* SHA-256 of the SubjectPublicKeyInfo */
    uint8_t thumbprint[EG_SHA256_LEN]; /* SHA-256 of the certificate: x5t#S256 of RFC 8705 section 3.1 */
} eg_peer_certificate;

typedef struct eg_peer {
    char address[46];          /* text, of the TCP peer */
    uint16_t port;
    uint16_t local_port;
    char listener[32];
    char subnet[256];          /* resource id of the subnet the listener sits in; "" = none */
    bool on_this_machine;      /* the other end has an address of this machine: a job's, or an administrator's */
    char tls_version[8];       /* "TLSv1.3" */
    char tls_cipher[40];
    eg_peer_certificate certificate;
} eg_peer;

/* A body that the door pulls from when it can send; used when bytes would be too many. */
typedef struct eg_body_source {
    int64_t size;              /* bytes in all; -1 = not known (chunked) */
    /* Up to cap bytes into buf; *ret_n 0 is the end. Runs in the thread pool and may block; one call at a time. Whatever it
     * has given was verified. An error after the first byte closes the connection, so that nobody takes it for whole. */
    eg_err (*read)(void *ctx, uint8_t *buf, size_t cap, size_t *ret_n);
    void (*close)(void *ctx);  /* once, from any thread */
    void *ctx;
    /* The same on the connection's worker, for what is at hand: never waits. EG_ERR_BUSY: nothing was given, read() is asked instead. NULL = always. */
    eg_err (*try_read)(void *ctx, uint8_t *buf, size_t cap, size_t *ret_n);
} eg_body_source;

#define EG_RESPONSE_HEADERS_MAX 96   /* a blob has about 30, and its metadata one each */

typedef struct eg_response {
    int status;
    size_t header_count;
    struct { const char *name; eg_str value; } headers[EG_RESPONSE_HEADERS_MAX]; /* values in the request's arena */
    bool has_source;
    eg_bytes bytes;            /* in the request's arena, or owned_bytes */
    eg_buf owned;              /* freed by the door; bytes points into it when used */
    eg_body_source source;
    int64_t head_length;       /* Content-Length of an answer to HEAD; -1 = that of the body */
    eg_err error;              /* what the audit record says; EG_OK for success */
} eg_response;

/* What the pipeline lends to handlers (filled before begin; tests fill their own). */
typedef struct eg_request_ops {
    /* Takes rq->response as it stands. Any thread, once. */
    void (*respond)(eg_request *rq);
    /* The audit record of this request as a step of a transaction: after it commits, the pipeline writes no other. `status`
     * is the HTTP status that will be answered. For handlers that change something: pass it to eg_commit with their own ops.
     * The op is valid until the request is answered. While rq->must_not_wait its apply is NULL when the record can't be made at once. */
    eg_txn_op (*record_op)(eg_request *rq, int status);
    /* A handler's second question: may the principal also do `action` at rq->scope (such as: with the job of somebody else)?
     * EG_OK or the denial's code; never blocks. NULL = nobody may: handlers then refuse. */
    eg_err (*decide)(eg_request *rq, const char *action, bool data_action, eg_problem *p);
    /* The same at another scope, such as of the container that a copy takes from. `path`: what is meant there, for conditions that ask; "" = not said, and then a condition
     * on it grants nothing: so of a rename or a restore, which may move a whole directory. EG_ERR_DENIED_TENANT: nothing else may allow it either. NULL = nobody may. */
    eg_err (*decide_at)(eg_request *rq, const char *action, bool data_action, eg_str scope, eg_str path);
    /* The same for somebody else than who asks: whoever signed the address of a source. `who` must then be welcome still when the request's change is committed. One a
     * request; a reference is kept. NULL = nobody may. */
    eg_err (*decide_for)(eg_request *rq, eg_principal *who, const char *action, eg_str scope, eg_str path);
    /* The record of one part of a request that holds several, as a step of a transaction; the part is a copy of the whole request with
     * its own path, route and ops. e: why it was refused, or EG_OK. NULL = parts have no records of their own. */
    eg_txn_op (*record_part)(const eg_request *part, int status, eg_err e);
    /* eg_door_on_worker, for a handler whose end() has returned and that answers when something is done. NULL = it must not do so. */
    void (*on_worker)(eg_request *rq, void (*fn)(void *), void *arg);
} eg_request_ops;

struct eg_request {
    eg_arena *arena;           /* at most 256 KiB; freed after the response */
    char request_id[EG_UUID_LEN];
    int64_t received_ns;       /* wall clock */
    eg_peer peer;

    eg_str method;             /* after X-HTTP-Method-Override on DFS */
    eg_str target;             /* raw, as sent */
    eg_str raw_path;           /* origin-form path, undecoded, without query */
    eg_str query;              /* raw, without '?'; len 0 = none */
    eg_str host;               /* lower case, without port */
    const eg_header *headers;  /* Authorization is not among them: the door keeps it in `authorization` */
    size_t header_count;
    eg_str authorization;      /* secret; only authenticate reads it */
    int64_t content_length;    /* -1 = chunked, 0 = none */

    /* set by route */
    const eg_route *route;
    void *room;                /* the mounting room's object */
    eg_surface surface;
    eg_str path;               /* decoded once, after the surface's prefix; starts with '/' */
    eg_str params[EG_ROUTE_PARAMS_MAX];
    eg_str tenant;             /* of the resource asked for */
    eg_str cluster;            /* LIVY: cluster name */
    eg_str account;            /* DFS, BLOB: account name */
    eg_str scope;              /* resource id of that cluster or account */

    /* set by authenticate and decide */
    eg_principal *principal;   /* borrowed from the request; NULL on public routes without a token */
    eg_way way;
    const void *bounds;        /* of a shared access signature: storage's eg_sas_bounds, in the arena; NULL = none */
    bool access_asked;         /* the room has asked what EG_WAY_ACL left open */
    uint64_t policy_version;
    char decided_by[192];      /* which rule or assignment allowed it */

    eg_bytes body;             /* collected body */
    eg_response response;
    eg_problem problem;        /* where a handler explains the error it returns */
    unsigned retry_after_s;    /* of a refusal that says when to come again; 0 = 1 s */

    /* the handler's */
    void *state;
    void (*free_state)(void *state); /* once, after the answer was sent or the peer went away; may be NULL */
    /* Set while end() runs on the worker although the route is BLOCKING (TRY_FIRST). It then does little, waits for nothing but the store's
     * memory, and returns EG_ERR_BUSY, having answered and changed nothing, when that isn't enough: it is called again in the pool. */
    bool must_not_wait;

    /* What the record of this request says beyond the fixed fields. */
    const char *record_event;     /* static; NULL = the route's */
    char record_resource[1024];   /* e.g. container/path; "" = scope */
    char record_on_behalf_of[EG_UUID_LEN]; /* object id of whom it was asked for; "" = the principal itself */
    char record_job[64];          /* "{cluster}/{batch id}" that it is about; "" = the principal's own job, if it is one */
    json_t *record_details;       /* sealed in the record; NULL = none. Owned by the request, freed with it */
    uint64_t record_bytes;        /* data bytes read or written by it */

    const eg_request_ops *ops;
    void *pipeline;               /* private */
    void *door;                   /* private */
};

/* core/http_message.c. Header values are copied into the arena; CR, LF and NUL in a value are refused (EG_ERR_INVALID). */
eg_str eg_request_header(const eg_request *rq, const char *name);           /* {NULL,0} when absent; first of several */
eg_err eg_request_query(eg_request *rq, const char *name, eg_str *ret) EG_MUST_CHECK; /* eg_query_get on rq->query */
eg_err eg_response_header(eg_request *rq, const char *static_name, const char *fmt, ...) EG_PRINTF(3, 4);
eg_err eg_respond_empty(eg_request *rq, int status);
eg_err eg_respond_bytes(eg_request *rq, int status, const char *content_type, eg_bytes body); /* copied when not in the arena: pass arena memory */
eg_err eg_respond_owned(eg_request *rq, int status, const char *content_type, eg_buf *taken);
eg_err eg_respond_json(eg_request *rq, int status, json_t *taken);          /* reference is taken, also on failure */
eg_err eg_respond_source(eg_request *rq, int status, const char *content_type, eg_body_source source); /* taken, also on failure */
/* An answer to HEAD whose Content-Length is that of the GET. */
eg_err eg_respond_head(eg_request *rq, int status, const char *content_type, int64_t length);
/* In the surface's shape, with x-ms-request-id/x-ms-error-code or WWW-Authenticate where the surface has them.
 * p may be NULL (then a generic sentence for e). Never fails. */
void eg_respond_problem(eg_request *rq, eg_err e, const eg_problem *p);

/* What the door calls; gateway/pipeline implements it. All on the connection's worker. */
typedef struct eg_door_app {
    /* Before the TLS handshake. false = close now. Only address, ports and subnet are known. */
    bool (*admit)(void *app, const eg_peer *peer);
    /* The head is framed and valid; the app answers, or calls eg_door_proceed (now or later, from any thread) to let the body
     * come. No body byte is delivered before. */
    void (*head)(void *app, eg_request *rq);
    void (*body)(void *app, eg_request *rq, eg_bytes chunk);
    void (*end)(void *app, eg_request *rq);
    /* The last call for a request: the answer was sent whole (sent) or the peer went away, or its source failed: that error stands in
     * rq->response.error. The app frees what it attached; the door
     * then frees the request and its arena. Never called while an answer is still owed by a pool thread: the door waits for it. */
    void (*gone)(void *app, eg_request *rq, bool sent);
    /* During eg_door_sweep, for each request that is not over: may it go on? false: its connection is reset at once, whatever of the body or the
     * answer is still owed; gone() follows. NULL = all may. */
    bool (*still)(void *app, eg_request *rq);
    void *app;
} eg_door_app;

/* gateway/door. Any thread. */
void eg_door_proceed(eg_request *rq);
/* Sends rq->response. Any thread, once; the request belongs to the door afterwards. */
void eg_door_send(eg_request *rq);
/* Runs fn(arg) on the worker of this request's connection, soon. Any thread. */
void eg_door_on_worker(eg_request *rq, void (*fn)(void *), void *arg);

#endif
