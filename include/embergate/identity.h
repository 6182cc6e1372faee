/* Identity as the pipeline sees it: token in, principal out; and the gateway's own issuer. gateway/identity implements it. */
#ifndef EMBERGATE_IDENTITY_H
#define EMBERGATE_IDENTITY_H

#include <embergate/clock.h>
#include <embergate/http.h>
#include <embergate/keys.h>
#include <embergate/pool.h>

typedef struct eg_identity eg_identity;
struct eg_compute;
struct eg_audit;

typedef struct eg_outside_issuer {
    const char *issuer;           /* exact `iss`, or with "{tenantid}" */
    const char *tenant;           /* our tenant that its tokens belong to */
    const char *discovery_url;    /* https only */
    const char *ca_file;          /* "" = the system's */
    const char *const *audiences; /* NULL-terminated */
    /* All below may be NULL or 0. A claim within others is named by a path: "realm_access.roles". */
    const char *const *required;  /* "claim=value": each must be there; NULL-terminated */
    const char *const *scopes;    /* a user's token must have one of them in scp or scope */
    const char *const *app_roles; /* an application's token must have one of them in roles */
    const char *const *client_audiences; /* "audience=client id": that client may exchange tokens of this audience, which open nothing here; NULL-terminated */
    const char *claim_object_id;  /* whose value makes the principal's id, in place of oid and sub */
    const char *claim_name;       /* what people are called by */
    const char *claim_groups;     /* in place of groups */
    const char *claim_roles;      /* roles become groups too, with ids of their own; NULL = they don't */
    const char *graph_url;        /* https://graph.example/v1.0: asked for the groups that a token leaves out; NULL or "" = they stay unknown */
    const char *graph_token_url;  /* where the gateway gets its token for it, by client credentials */
    const char *graph_client_id;
    const char *graph_secret_file; /* 0600; read anew each time */
    const char *graph_scope;
    unsigned graph_fresh_s;       /* groups are asked for again after so long */
    unsigned graph_grace_s;       /* and serve on for so long when the endpoint is away */
    unsigned graph_groups_max;    /* more stay unknown */
    unsigned skew_s;              /* 0 = 300 */
    unsigned key_grace_s;         /* a withdrawn key still verifies for so long */
} eg_outside_issuer;

typedef struct eg_identity_options {
    const char *public_url;       /* own issuer: "{public_url}/{tenant}/v2.0" */
    const char *const *tenants;   /* ids, NULL-terminated */
    const eg_outside_issuer *issuers;
    size_t issuer_count;
    eg_kv *kv;
    eg_committer *committer;
    const eg_keys *keys;
    eg_pool *pool;
    const eg_clock *clock;
    struct eg_compute *compute;   /* job credentials; may be NULL in tests */
    struct eg_audit *audit;       /* for records of what isn't a request; may be NULL in tests */
    size_t cache_entries;         /* 0 = 65,536 */
    const char *certificate_url;  /* where the gateway asks for client certificates, such as public_url or another port of it; NULL = nowhere */
    bool bind_tokens;             /* a token that was got by a certificate is good only with it */
} eg_identity_options;

eg_err eg_identity_open(const eg_identity_options *o, eg_identity **ret, eg_problem *p) EG_MUST_CHECK;
void eg_identity_close(eg_identity *i);
/* Sets the metrics of outside issuers' keys; for a thread that comes by several times a second. */
void eg_identity_tell_metrics(const eg_identity *i);

/* A new token-signing key for the gateway's own issuer (eg_keys.rotate_token_key), published when this returns. Blocks on the keeper. EG_ERR_EXISTS, EG_ERR_LIMIT. */
eg_err eg_identity_rotate_key(eg_identity *i, uint32_t delay_s, bool end_old, eg_buf *ret_json, eg_problem *p) EG_MUST_CHECK;
eg_err eg_identity_token_keys(eg_identity *i, eg_buf *ret_json, eg_problem *p) EG_MUST_CHECK;

/* What the audience of a token must be for a surface: storage takes "https://storage.azure.com[/]", livy and arm take the gateway's own
 * ("https://management.azure.com[/]", "https://management.core.windows.net[/]", {public_url}); a token for one is refused on the other. */
typedef enum eg_audience {
    EG_AUDIENCE_NONE = 0,
    EG_AUDIENCE_GATEWAY,
    EG_AUDIENCE_STORAGE,
    EG_AUDIENCE_CLIENT, /* one of our clients, eg_principal.for_client: opens nothing here, but that client may exchange it */
} eg_audience;

typedef struct eg_token_use {
    eg_audience audience;
    const eg_peer_certificate *certificate; /* of the connection that the token came on; NULL = none: a token that is bound to one is then refused */
    void (*later)(void *);        /* NULL = nobody waits */
    void *later_ctx;
} eg_token_use;
/* A bearer token (without the scheme) verified, at the latest from the cache. Never blocks: when keys must be fetched first the answer is
 * EG_ERR_BUSY and `later` is called once from a pool thread when it is worth asking again; groups may have to be fetched then. A third EG_ERR_BUSY counts as failure.
 * *ret holds a reference for the caller. The errors are the TOKEN_* ones; a job whose run has ended gives EG_ERR_JOB_ENDED. */
eg_err eg_identity_verify(eg_identity *i, eg_str token, const eg_token_use *use, eg_principal **ret, eg_problem *p) EG_MUST_CHECK;
/* The local principal whose registered key the connection's certificate has, and nobody else's. Never blocks. *ret holds a reference for the caller.
 * EG_ERR_CERTIFICATE, EG_ERR_TOKEN_REVOKED. */
eg_err eg_identity_by_certificate(eg_identity *i, const eg_peer_certificate *c, eg_principal **ret, eg_problem *p) EG_MUST_CHECK;

/* A sign-in by HTTP Basic (RFC 7617) on its way; zeroed but for the first five. It lives until `later` was called, or nothing was begun. */
typedef struct eg_basic_ask {
    eg_str tenant;                /* whose principals may sign in: the cluster's */
    eg_str authorization;         /* the header; secret */
    const char *address;
    void (*later)(void *);        /* once, from a pool thread, when it is worth asking again */
    void *later_ctx;
    /* what came of it */
    eg_problem problem;
    eg_identity *identity;
    eg_principal *who;
    eg_err error;
    bool asked;
    uint8_t mark[EG_KEYED_HASH_LEN];
} eg_basic_ask;
/* The header's scheme is Basic. */
bool eg_identity_is_basic(eg_str authorization);
/* The local principal with that name and password. Never blocks: EG_ERR_BUSY means that the pool is at it, and `later` comes; ask again then, with the same.
 * *ret holds a reference for the caller. EG_ERR_PASSWORD, the same in text and time whatever is wrong; EG_ERR_TOO_MANY_REQUESTS, EG_ERR_TOKEN_REVOKED. */
eg_err eg_identity_basic(eg_identity *i, eg_basic_ask *a, eg_principal **ret) EG_MUST_CHECK;

/* What administrators take back at once. */
typedef enum eg_revocation_kind { EG_REVOKE_NONE = 0, EG_REVOKE_PRINCIPAL, EG_REVOKE_TOKEN, EG_REVOKE_JOB, EG_REVOKE_COUNT } eg_revocation_kind;
typedef struct eg_revocation {
    eg_revocation_kind kind;
    char tenant[EG_UUID_LEN];
    char id[80];                  /* object id, token id, or "{cluster}/{batch id}" */
    int64_t before_s;             /* of a principal: what was issued until then is refused. It may lie ahead: nobody of that name comes in until then */
    int64_t made_s, expires_s;    /* the row goes when nothing that old can be good any more; filled in by eg_identity_revoke */
    char by[EG_UUID_LEN];         /* object id of who did it; "" = whoever runs the server */
    char reason[256];
} eg_revocation;
const char *eg_revocation_kind_name(eg_revocation_kind k); /* "principal", "token", "job"; "" */
eg_revocation_kind eg_revocation_kind_named(eg_str name);  /* EG_REVOKE_NONE: no such kind */

/* Reads {"kind","id"|"name"|"token","until","reason"}: a principal by its object id or client id, a local one by its name (kind "user"), a token by its id or
 * itself, a job by "{cluster}/{id}". May wait for an issuer's keys: pool threads only. */
eg_err eg_identity_revocation_read(eg_identity *i, eg_str tenant, const json_t *asked, eg_revocation *ret, eg_problem *p) EG_MUST_CHECK;
/* One transaction with its record; in force for every request from here on when it returns. Jobs of a principal lose their credential, queued ones never start;
 * a job ends. Blocks on the commit. EG_ERR_LIMIT: too many. */
eg_err eg_identity_revoke(eg_identity *i, eg_revocation *r, eg_txn_op record, eg_problem *p) EG_MUST_CHECK;
/* What was issued before is good again; a job that ended stays ended. EG_ERR_NOT_FOUND. */
eg_err eg_identity_revoke_undo(eg_identity *i, eg_revocation *r, eg_txn_op record, eg_problem *p) EG_MUST_CHECK;
/* The tenant's, as a JSON list; taken by the caller. */
eg_err eg_identity_revocations(eg_identity *i, eg_str tenant, json_t **ret) EG_MUST_CHECK;
/* Changes whenever something was revoked, or taken back: what was checked under an older one must be checked again. Any thread, one load. */
uint64_t eg_identity_revocation_mark(const eg_identity *i);
/* Is the principal of a request in flight still welcome? EG_ERR_TOKEN_REVOKED, EG_ERR_JOB_ENDED. Reads the store, doesn't block. */
eg_err eg_identity_check(eg_identity *i, const eg_principal *who, eg_problem *p) EG_MUST_CHECK;
/* The same inside a transaction, so that nothing of a revoked principal is committed after the revocation was. */
eg_err eg_identity_check_in(eg_kv_txn *t, const eg_principal *who, eg_problem *p) EG_MUST_CHECK;

/* Local principals (service principals of the gateway's own issuer), for init and the `principal` command. The secret is
 * returned once (base64url of 256 bits); scrypt of it is stored. */
eg_err eg_identity_add_local(eg_kv *kv, eg_committer *c, eg_str tenant, eg_str name, eg_principal_kind kind,
                             char ret_client_id[EG_UUID_LEN], char ret_object_id[EG_UUID_LEN], eg_buf *ret_secret, eg_problem *p) EG_MUST_CHECK;
/* A public key (PEM, or a certificate's) with which that client may sign assertions (RFC 7523) instead of giving its secret; at most 8 a client.
 * EG_ERR_INVALID, EG_ERR_LIMIT. */
eg_err eg_identity_add_key(eg_committer *c, eg_str client_id, eg_str pem, eg_problem *p) EG_MUST_CHECK;
/* Of a store that no identity is open on. */
eg_err eg_identity_disable_local(eg_kv *kv, eg_committer *c, eg_str client_id, eg_problem *p) EG_MUST_CHECK;

/* /{tenant}/oauth2/v2.0/token, /{tenant}/v2.0/.well-known/openid-configuration, /{tenant}/discovery/v2.0/keys. room = eg_identity*. */
const eg_route *eg_identity_routes(size_t *ret_n);
/* /identity/{tenant}/…: what administrators of a tenant do; the router has set rq->tenant and its subscription as rq->scope. room = eg_identity*. */
const eg_route *eg_identity_admin_routes(size_t *ret_n);

#endif
