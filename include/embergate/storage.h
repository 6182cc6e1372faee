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

/* Data Lake routes; the router has set rq->account, rq->tenant and rq->scope, and rq->path = "/{filesystem}[/{path}]". room = eg_storage*. */
const eg_route *eg_storage_routes(size_t *ret_n);

#endif
