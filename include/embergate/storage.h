/* The storage room as the gateway sees it: accounts, and the Data Lake routes over them. storage/ implements it. */
#ifndef EMBERGATE_STORAGE_H
#define EMBERGATE_STORAGE_H

#include <embergate/clock.h>
#include <embergate/http.h>
#include <embergate/keys.h>
#include <embergate/usage.h>

typedef struct eg_storage eg_storage;

typedef struct eg_storage_options {
    const char *dir;            /* segments/ */
    eg_kv *kv;
    eg_committer *committer;
    const eg_keys *keys;
    const eg_clock *clock;
    eg_usage_sink usage;
    uint64_t max_file_bytes;    /* 0 = 5 TiB */
    uint64_t min_free_bytes;    /* below it writes answer EG_ERR_DISK_FULL; 0 = 256 MiB */
} eg_storage_options;

eg_err eg_storage_open(const eg_storage_options *o, eg_storage **ret, eg_problem *p) EG_MUST_CHECK;
void eg_storage_close(eg_storage *s);

/* Used by init and by the configuration at start: makes what is missing, EG_OK when it is there already (of the same tenant). */
eg_err eg_storage_ensure_account(eg_storage *s, eg_str account, eg_str tenant, eg_problem *p) EG_MUST_CHECK;
eg_err eg_storage_ensure_container(eg_storage *s, eg_str account, eg_str container, eg_problem *p) EG_MUST_CHECK;

/* Encryption scopes of an account, for administrators. `key` names a customer-managed key of the tenant (which is there); "" makes the scope one of its own. */
eg_err eg_storage_scope_add(eg_storage *s, eg_str account, eg_str scope, eg_str key, eg_problem *p) EG_MUST_CHECK;   /* EG_ERR_EXISTS */
/* Disabled: what was sealed under it answers EG_ERR_SCOPE_DISABLED. EG_ERR_SCOPE_NOT_FOUND. */
eg_err eg_storage_scope_enable(eg_storage *s, eg_str account, eg_str scope, bool enabled, eg_problem *p) EG_MUST_CHECK;
/* Under which key new files of the scope (of the account without one: "") are sealed from now on; "" = the scope's or the tenant's own. */
eg_err eg_storage_scope_key(eg_storage *s, eg_str account, eg_str scope, eg_str key, eg_problem *p) EG_MUST_CHECK;
/* {"account","scopes":[{"name","state","keySource","key","created"}]}; the first, named "", is the account itself. */
eg_err eg_storage_scope_list(eg_storage *s, eg_str account, eg_buf *ret_json, eg_problem *p) EG_MUST_CHECK;

/* Data Lake routes; the router has set rq->account, rq->tenant and rq->scope, and rq->path = "/{filesystem}[/{path}]". room = eg_storage*. */
const eg_route *eg_storage_routes(size_t *ret_n);
/* Blob routes, the same way; mounted before the others. */
const eg_route *eg_storage_blob_routes(size_t *ret_n);

#endif
