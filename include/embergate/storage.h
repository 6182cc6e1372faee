/* The storage room as the gateway sees it: accounts, and the Data Lake routes over them. storage/ implements it. */
#ifndef EMBERGATE_STORAGE_H
#define EMBERGATE_STORAGE_H

#include <embergate/clock.h>
#include <embergate/compliance.h>
#include <embergate/http.h>
#include <embergate/json.h>
#include <embergate/keys.h>
#include <embergate/usage.h>

typedef struct eg_storage eg_storage;

#define EG_SEGMENT_HOLD_FILE "hold" /* in the directory of segments: who has a shared lock on it keeps the reclaimer from unlinking */

/* What Azure calls properties of the account, from the configuration. */
typedef struct eg_account_rules {
    const char *account;
    const char *resource_id;
    bool allow_shared_key;      /* allowSharedKeyAccess: Shared Key, account SAS and service SAS */
    const char *minimum_tls;    /* "TLSv1.2", "TLSv1.3"; NULL or "" = the listener's */
} eg_account_rules;

typedef struct eg_storage_options {
    const char *dir;            /* segments/ */
    eg_kv *kv;
    eg_committer *committer;
    const eg_keys *keys;
    const eg_clock *clock;
    eg_usage_sink usage;
    const eg_account_rules *rules; /* borrowed for the life of the store; an account without one allows no shared key */
    size_t rule_count;
    eg_compliance_gate comply;  /* judges containers and encryption scopes when they are made and when something new is written into them */
    uint64_t max_file_bytes;    /* 0 = 5 TiB */
    uint64_t min_free_bytes;    /* below it writes answer EG_ERR_DISK_FULL; 0 = 256 MiB */
    bool look_only;             /* for eg_storage_check: nothing is reclaimed or removed */
} eg_storage_options;

eg_err eg_storage_open(const eg_storage_options *o, eg_storage **ret, eg_problem *p) EG_MUST_CHECK;
void eg_storage_close(eg_storage *s);

/* Used by init and by the configuration at start: makes what is missing, EG_OK when it is there already (of the same tenant). */
eg_err eg_storage_ensure_account(eg_storage *s, eg_str account, eg_str tenant, eg_problem *p) EG_MUST_CHECK;
/* How many days deleted paths and filesystems of the account are kept for undelete; 0 = none. Before requests come. */
eg_err eg_storage_set_retention(eg_storage *s, eg_str account, unsigned days) EG_MUST_CHECK;
/* What an account and its tenant may store, in sealed bytes; 0 = no bound. Counts first what older stores have not counted. Before requests come, with every account. */
typedef struct eg_stored_quota {
    const char *account;
    uint64_t account_bytes, tenant_bytes;
} eg_stored_quota;
eg_err eg_storage_set_stored_quotas(eg_storage *s, const eg_stored_quota *quotas, size_t n, eg_problem *p) EG_MUST_CHECK;
/* Sealed bytes that somebody still owns. EG_ERR_ACCOUNT_NOT_FOUND, EG_ERR_NOT_FOUND: not counted. */
eg_err eg_storage_stored_bytes(eg_storage *s, eg_str account, uint64_t *ret) EG_MUST_CHECK;
/* [{"name","storedBytes","quotaBytes","tenantQuotaBytes"}], the bounds only where there are any; sets the metric. NULL without memory. */
json_t *eg_storage_stored_report(eg_storage *s);
/* A look before a body comes: the commit decides. true also when nothing is known. */
bool eg_storage_has_room(eg_storage *s, eg_str account, uint64_t bytes);
eg_err eg_storage_ensure_container(eg_storage *s, eg_str account, eg_str container, eg_problem *p) EG_MUST_CHECK;

/* Encryption scopes of an account, for administrators. `key` names a customer-managed key of the tenant (which is there); "" makes the scope one of its own. */
eg_err eg_storage_scope_add(eg_storage *s, eg_str account, eg_str scope, eg_str key, eg_problem *p) EG_MUST_CHECK;   /* EG_ERR_EXISTS, EG_ERR_DISALLOWED_POLICY */
/* Disabled: what was sealed under it answers EG_ERR_SCOPE_DISABLED. EG_ERR_SCOPE_NOT_FOUND. */
eg_err eg_storage_scope_enable(eg_storage *s, eg_str account, eg_str scope, bool enabled, eg_problem *p) EG_MUST_CHECK;
/* Under which key new files of the scope (of the account without one: "") are sealed from now on; "" = the scope's or the tenant's own. */
eg_err eg_storage_scope_key(eg_storage *s, eg_str account, eg_str scope, eg_str key, eg_problem *p) EG_MUST_CHECK;
/* Each scope but the account itself, as a resource that policies judge; borrowed for the call. EG_OK also for an account that the configuration does not name: it is none. */
eg_err eg_storage_scope_resources(eg_storage *s, eg_str account, void (*each)(void *ctx, const eg_resource *r), void *ctx) EG_MUST_CHECK;
/* {"account","scopes":[{"name","state","keySource","key","created"}]}; the first, named "", is the account itself. */
eg_err eg_storage_scope_list(eg_storage *s, eg_str account, eg_buf *ret_json, eg_problem *p) EG_MUST_CHECK;

/* Accounts and their keys, for administrators. {"accounts":[{"name","tenant","id","allowSharedKeyAccess","minimumTlsVersion","destroyed"}]}; account "" = all. EG_ERR_ACCOUNT_NOT_FOUND. */
eg_err eg_storage_account_list(eg_storage *s, eg_str account, eg_buf *ret_json, eg_problem *p) EG_MUST_CHECK;
/* Azure's answer of listKeys. Secret: the caller cleanses it. EG_ERR_KEY_DESTROYED. */
eg_err eg_storage_account_keys(eg_storage *s, eg_str account, eg_buf *ret_json, eg_problem *p) EG_MUST_CHECK;
/* "key1", "key2", or "delegations": all user delegation keys. What was signed with the old one is worth nothing from then on. */
eg_err eg_storage_account_key_renew(eg_storage *s, eg_str account, eg_str key, eg_problem *p) EG_MUST_CHECK;

/* Rotation, online: a new version of a tenant's key, then every data key under an older one is wrapped anew in the background, no data is rewritten, and the older
 * versions are retired. Goes on after a restart. EG_ERR_EXISTS while one of this key runs. */
eg_err eg_storage_rotate(eg_storage *s, eg_str tenant, eg_str key, uint32_t *ret_version, eg_problem *p) EG_MUST_CHECK;
/* {"rotations":[{"tenant","key","version","state":"running"|"done","moved","started","ended"}]} */
eg_err eg_storage_rotation_status(eg_storage *s, eg_buf *ret_json) EG_MUST_CHECK;
/* Starts the thread, which also goes on with what was interrupted. Other rooms' rows take part; `others` is copied. */
eg_err eg_storage_rotation_start(eg_storage *s, const eg_rewrapper *others, size_t n) EG_MUST_CHECK;
/* Ends it: before any of the others is closed. */
void eg_storage_rotation_stop(eg_storage *s);

/* Cryptographic erase of a tenant, in this order: what it has, as {"accounts":[{"name","containers":[{"name","files","directories","bytes"}]}],"accountCount",
 * "containerCount","fileCount","directoryCount","bytes"}; then the keeper destroys its keys; then they are forgotten here, so that open streams end; then how many
 * wrapped keys its rows hold, and how many of those were not answered with EG_ERR_KEY_DESTROYED: 0 or something is wrong. */
eg_err eg_storage_inventory(eg_storage *s, eg_str tenant, eg_buf *ret_json) EG_MUST_CHECK;
eg_err eg_storage_forget_tenant(eg_storage *s, eg_str tenant) EG_MUST_CHECK;
eg_err eg_storage_probe_tenant(eg_storage *s, eg_str tenant, uint64_t *ret_wrapped, uint64_t *ret_opened) EG_MUST_CHECK;

/* Walks everything that is stored and verifies it: rows of all accounts, their MACs and counts, every file's manifest and data key, every chunk of every segment, and
 * the files that lie there. Nothing is changed; nobody else may change anything meanwhile.
 * kind: "damaged" (bytes that don't verify), "lost" (something is named and isn't there), "swapped" (a whole and valid thing lies in the place of another),
 * "older" (rows that are valid and don't belong to the newest state), "unverified" (the key is the customer's or was destroyed), "leftover" (nobody names it; it is
 * reclaimed at the next start). `where` is account/container/path, or the row or file. Neither is a fault: "unverified", "leftover". */
typedef struct eg_check_sink {
    void *ctx;
    void (*found)(void *ctx, const char *kind, const char *where, const char *what);
    void (*progress)(void *ctx, uint64_t done, uint64_t total);   /* bytes of segments; may be NULL */
} eg_check_sink;
typedef struct eg_check_sums {
    uint64_t accounts;
    uint64_t containers;
    uint64_t directories;
    uint64_t files;
    uint64_t segments;
    uint64_t bytes;             /* stored */
    uint64_t total;             /* of these */
    uint64_t faults;
    uint64_t unverified;
    uint64_t leftovers;
} eg_check_sums;
/* EG_OK also when there are faults: ret->faults says how many. */
eg_err eg_storage_check(eg_storage *s, const eg_check_sink *sink, eg_check_sums *ret) EG_MUST_CHECK;

/* How requests that bring no bearer token prove who they are; the pipeline asks. */
typedef struct eg_storage_auth {
    void *ctx;
    /* Before anything is looked at: may this connection speak to the account? EG_ERR_TLS_VERSION. */
    eg_err (*connection)(void *ctx, eg_request *rq);
    /* EG_ERR_NOT_FOUND: neither a Shared Key nor a shared access signature. EG_ERR_BUSY: `later` is called once from a pool thread when it is worth asking
     * again, with later NULL. Never blocks. Sets rq->bounds. */
    eg_err (*verify)(void *ctx, eg_request *rq, void (*later)(void *), void *later_ctx, eg_principal **ret);
    /* After verify said EG_OK. user NULL: EG_ERR_TOKEN_MISSING when the signature is good only beside the token of whom it names. Else: is it this one? EG_ERR_AUTH_FAILED. */
    eg_err (*bound)(void *ctx, eg_request *rq, const eg_principal *user);
    /* Before a success is sent: the headers that a signature asks for. */
    void (*finish)(void *ctx, eg_request *rq);
} eg_storage_auth;
struct eg_pool;
eg_storage_auth eg_storage_auth_of(eg_storage *s, struct eg_pool *pool);
/* listKeys, regenerateKey, revokeUserDelegationKeys beneath an account's resource id; user delegation keys; stored access policies. Mounted before the
 * other storage routes. room = eg_storage*. */
const eg_route *eg_storage_key_routes(size_t *ret_n);

/* Data Lake routes; the router has set rq->account, rq->tenant and rq->scope, and rq->path = "/{filesystem}[/{path}]". room = eg_storage*. */
const eg_route *eg_storage_routes(size_t *ret_n);
/* Blob routes, the same way; mounted before the others. */
const eg_route *eg_storage_blob_routes(size_t *ret_n);

#endif
