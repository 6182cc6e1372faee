/* Setting of owner, group, permissions and access control lists, of one path and of all beneath a directory. */
#include "datalake.h"

#include "json_text.h"
#include "path_access.h"
#include "permissions.h"

#include <stdlib.h>

#define NAME_MAX_LEN 256
#define RECORDS_MAX 2000         /* of one request, as in Azure */
#define ANSWER_MAX ((size_t)16 << 20)

static eg_err read_name(eg_request *rq, const char *header, eg_str *ret) {
    const eg_str v = eg_request_header(rq, header);
    if (v.len > NAME_MAX_LEN) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header %s is too long.", header);
    }
    *ret = v;
    return EG_OK;
}

static eg_err read_acl(eg_request *rq, eg_path_access *c) {
    const eg_str v = eg_request_header(rq, "x-ms-acl");
    if (v.len > EG_ACL_TEXT_MAX) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header x-ms-acl is too long.");
    }
    return c->mode == EG_ACCESS_REMOVE ? eg_acl_parse_removal(v, &c->spec, &rq->problem) : eg_acl_parse(v, &c->spec, &rq->problem);
}

static eg_err read_change(eg_request *rq, eg_path_access *c) {
    const eg_str permissions = eg_request_header(rq, "x-ms-permissions");
    const bool acl = eg_request_header(rq, "x-ms-acl").len > 0;
    EG_TRY(read_name(rq, "x-ms-owner", &c->owner));
    EG_TRY(read_name(rq, "x-ms-group", &c->group));
    if (permissions.len > 0 && acl) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "x-ms-permissions and x-ms-acl can't be set together.");
    }
    if (permissions.len > 0) {
        c->mode = EG_ACCESS_PERMISSIONS;
        return eg_permissions_parse(permissions, &c->permissions) == EG_OK ? EG_OK :
            eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header x-ms-permissions holds no permissions.");
    }
    if (acl) {
        c->mode = EG_ACCESS_SET;
        return read_acl(rq, c);
    }
    return c->owner.len + c->group.len > 0 ? EG_OK : eg_fail(&rq->problem, EG_ERR_HTTP_HEADER_MISSING,
        "One of x-ms-owner, x-ms-group, x-ms-permissions and x-ms-acl must be given.");
}

eg_err eg_dfs_set_access_control(eg_request *rq) {
    eg_target d;
    eg_path_access c = {.mode = EG_ACCESS_KEEP};
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_target_change(rq, &d, &c.base));
    EG_TRY(read_change(rq, &c));
    EG_TRY(eg_target_commit(rq, &d, (eg_txn_op){eg_path_access_apply, &c}, 200));
    EG_TRY(eg_target_etag(rq, &c.base.after));
    (void)eg_response_header(rq, "x-ms-namespace-enabled", "true");
    return eg_respond_empty(rq, 200);
}

/* A request for a directory and all beneath it. */
typedef struct recursion {
    eg_target d;
    eg_access_step step;
    eg_buf failed;               /* entries of failedEntries */
    size_t left;                 /* paths that this request may still take */
    size_t directories;
    size_t files;
    size_t failures;
} recursion;

static eg_err read_mode(eg_request *rq, eg_access_mode *ret) {
    static const struct {
        const char *name;
        eg_access_mode mode;
    } modes[] = {{"set", EG_ACCESS_SET}, {"modify", EG_ACCESS_MODIFY}, {"remove", EG_ACCESS_REMOVE}};
    eg_str v;
    if (eg_request_query(rq, "mode", &v) == EG_OK) {
        for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
            if (eg_str_ieq(v, eg_str_of(modes[i].name))) {
                *ret = modes[i].mode;
                return EG_OK;
            }
        }
    }
    return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter mode is none of set, modify and remove.");
}

/* A token is of this directory: so is what it is made with. */
static eg_err read_continuation(eg_request *rq, recursion *r) {
    eg_str v;
    eg_inode top;
    const eg_err e = eg_request_query(rq, "continuation", &v);
    if (e == EG_ERR_NOT_FOUND || (e == EG_OK && v.len == 0)) {
        return EG_OK;
    }
    EG_TRY(eg_target_find(rq, &r->d, &top));
    const eg_listing l = {.account = r->d.account, .directory = top.id, .recursive = true};
    if (e != EG_OK || eg_listing_token_read(&l, v, rq->arena, &r->step.after) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The continuation token is not one of this directory.");
    }
    r->step.beneath = true;
    return EG_OK;
}

static eg_err add_failures(recursion *r) {
    for (size_t i = 0; i < r->step.failures; i++) {
        const eg_access_failure *f = &r->step.failed[i];
        (void)eg_buf_adds(&r->failed, r->failed.len ? ",{\"name\":" : "{\"name\":");
        (void)eg_json_text(&r->failed, (eg_str){r->step.failed_paths.ptr + f->path, f->path_len});
        (void)eg_buf_addf(&r->failed, ",\"type\":\"%s\",\"errorMessage\":\"%s\"}", f->kind == EG_KIND_DIRECTORY ? "DIRECTORY" : "FILE", eg_err_code(f->why));
    }
    r->directories += r->step.directories;
    r->files += r->step.files;
    r->failures += r->step.failures;
    return r->failed.err;
}

/* Step by step, each a transaction. The record of the request is part of the first, so that no change is without one. */
static eg_err run_steps(eg_request *rq, recursion *r) {
    eg_access_step *s = &r->step;
    for (bool first = true;; first = false) {
        s->max = r->left < EG_ACCESS_STEP_MAX ? r->left : EG_ACCESS_STEP_MAX;
        const eg_txn_op op = {eg_access_step_apply, s};
        EG_TRY(first ? eg_target_commit(rq, &r->d, op, 200) : eg_commit(r->d.store->committer, &op, 1, &rq->problem));
        EG_TRY(add_failures(r));
        r->left -= s->seen < r->left ? s->seen : r->left;
        if (s->refused || !s->more || r->left == 0) {
            return EG_OK;
        }
        s->beneath = true;
        s->after = eg_arena_str(rq->arena, (eg_str){s->last, s->last_len});
        if (!s->after.ptr) {
            return EG_ERR_NO_MEMORY;
        }
    }
}

static eg_err answer(eg_request *rq, recursion *r) {
    eg_buf body;
    eg_buf token;
    eg_buf_init(&body, ANSWER_MAX);
    eg_buf_init(&token, 2 * EG_PATH_MAX);
    eg_err e = EG_OK;
    if (r->step.more && !r->step.refused) {
        e = eg_listing_token(&r->step.listing, (eg_str){r->step.last, r->step.last_len}, &token);
    }
    if (e == EG_OK && token.len > 0) {
        e = eg_response_header(rq, "x-ms-continuation", "%.*s", EG_FMT(eg_buf_str(&token)));
    }
    (void)eg_buf_addf(&body, "{\"directoriesSuccessful\":%zu,\"failedEntries\":[", r->directories);
    (void)eg_buf_add(&body, r->failed.ptr, r->failed.len);
    (void)eg_buf_addf(&body, "],\"failureCount\":%zu,\"filesSuccessful\":%zu}", r->failures, r->files);
    (void)eg_response_header(rq, "x-ms-namespace-enabled", "true");
    eg_buf_done(&token);
    e = e == EG_OK ? body.err : e;
    if (e != EG_OK) {
        eg_buf_done(&body);
        return e;
    }
    return eg_respond_owned(rq, 200, "application/json;charset=utf-8", &body);
}

static eg_err run(eg_request *rq, recursion *r) {
    EG_TRY(eg_target_open(rq, &r->d));
    EG_TRY(eg_target_change(rq, &r->d, &r->step.access.base));
    const eg_conditions *c = &r->step.access.base.conditions;
    if (c->if_match.len > 0 || c->if_none_match.len > 0 || c->has_modified_since || c->has_unmodified_since) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "A condition can't be asked of a directory and all beneath it.");
    }
    EG_TRY(read_mode(rq, &r->step.access.mode));
    EG_TRY(eg_target_query_page(rq, "maxRecords", RECORDS_MAX, &r->left));
    EG_TRY(eg_target_query_bool(rq, "forceFlag", false, &r->step.force));
    if (eg_request_header(rq, "x-ms-acl").len == 0) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER_MISSING, "The header x-ms-acl must be given.");
    }
    EG_TRY(read_acl(rq, &r->step.access));
    EG_TRY(read_continuation(rq, r));
    EG_TRY(run_steps(rq, r));
    return answer(rq, r);
}

eg_err eg_dfs_set_access_recursive(eg_request *rq) {
    recursion *r = calloc(1, sizeof *r);
    if (!r) {
        return EG_ERR_NO_MEMORY;
    }
    eg_buf_init(&r->failed, ANSWER_MAX);
    eg_buf_init(&r->step.failed_paths, (size_t)EG_ACCESS_STEP_MAX * (EG_PATH_MAX + 1));
    const eg_err e = run(rq, r);
    eg_buf_done(&r->step.failed_paths);
    eg_buf_done(&r->failed);
    free(r);
    return e;
}
