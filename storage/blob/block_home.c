/* Finding of a blob and its uncommitted blocks in one look. */
#include "block_home.h"

#include "blob.h"

static eg_err check_kind(eg_request *rq, const eg_inode *i) {
    if (i->kind != EG_KIND_FILE) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_TYPE_MISMATCH, "The specified resource type does not match the type of the existing resource.");
    }
    return eg_blob_kind_of(i) == EG_BLOB_BLOCK ? EG_OK : eg_fail(&rq->problem, EG_ERR_BLOB_TYPE, "The blob type is invalid for this operation.");
}

eg_err eg_block_place_find(eg_request *rq, const eg_target *d, eg_need need, eg_block_place *ret) {
    const eg_change where = {.account = d->account, .grant = &d->grant, .container = d->container, .path = d->path,
        .forward_ns = eg_storage_forward_ns(d->store)};
    eg_place place;
    eg_block_home h;
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(d->store->kv, &t));
    EG_TRY(eg_grant_check(t, &d->grant, &(eg_where){d->account, d->container, d->path}, need, &rq->problem));
    EG_TRY(eg_path_resolve(t, &where, where.path, &place, &rq->problem));
    if (place.blocked) {
        return eg_fail(&rq->problem, EG_ERR_PATH_CONFLICT, "An element of the path is a file.");
    }
    ret->of = (eg_blocks_of){d->account, place.container.root, d->path};
    ret->exists = place.exists;
    if (place.exists) {
        EG_TRY(eg_ns_inode_get(t, d->account, &place.entry.child, &ret->current));
        EG_TRY(eg_ns_inode_keep(&ret->current, rq->arena));
        EG_TRY(check_kind(rq, &ret->current));
    }
    const eg_err e = eg_blocks_home(t, &ret->of, &h);
    ret->has_home = e == EG_OK;
    if (e != EG_OK) {
        return e == EG_ERR_NOT_FOUND ? EG_OK : e;
    }
    EG_TRY(eg_ns_inode_get(t, d->account, &h.inode, &ret->home));
    return eg_ns_inode_keep(&ret->home, rq->arena);
}

eg_err eg_block_place_key(eg_request *rq, const eg_target *d, eg_block_place *p, eg_file_key **ret) {
    if (!p->has_home) {
        p->home = (eg_inode){.id = eg_id_new(), .kind = EG_KIND_FILE, .change = 1};
        EG_TRY(eg_encryption_make(rq, d, &p->plan, &p->home, &p->customer));
    } else {
        EG_TRY(eg_encryption_customer_key(rq, &p->customer));
        EG_TRY(eg_encryption_check(rq, &p->home, p->customer));
        EG_TRY(eg_encryption_may_seal(rq, d, &p->home));
    }
    return eg_encryption_problem(rq, eg_file_key_open(d->store, d->account, &p->home, ret));
}

void eg_block_place_done(eg_block_place *p) {
    eg_secret_free(p->customer);
    p->customer = NULL;
}
