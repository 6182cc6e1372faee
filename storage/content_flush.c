/* Flush: what was appended becomes the file's content, durably and at once. */
#include "content.h"

#include "repeated.h"

#include <stdlib.h>

#define PLANNED_AT_ONCE 64u     /* appends, by a worker: each is looked up twice and verified */

static eg_err wrong_position(eg_problem *p) {
    return eg_fail(p, EG_ERR_FLUSH_POSITION, "The uploaded data is not contiguous or the position query parameter value is not equal "
        "to the length of the file after appending the uploaded data.");
}

/* The staged append that begins exactly at `position`. */
static eg_err staged_at(eg_kv_txn *t, const eg_content_flush *f, const eg_id *inode, uint64_t position, eg_staged *ret) {
    uint8_t key[EG_POSITION_KEY_LEN];
    eg_content_key(inode, position, key);
    eg_bytes stored;
    EG_TRY(eg_kv_get(t, EG_DB_FS_STAGED, (eg_bytes){key, sizeof key}, &stored));
    EG_TRY(eg_content_staged_decode(f->base.account, (eg_bytes){key, sizeof key}, stored, ret));
    return ret->boot == f->boot ? EG_OK : EG_ERR_NOT_FOUND;
}

static eg_err find_file(eg_kv_txn *t, eg_content_flush *f, eg_inode *ret, eg_problem *p) {
    eg_place place;
    EG_TRY(eg_path_find(t, &f->base, &place, ret, p));
    if (ret->kind != EG_KIND_FILE) {
        return eg_fail(p, EG_ERR_RESOURCE_TYPE_MISMATCH, "The path is a directory.");
    }
    /* Of a flush that comes again the condition is known to have been met. */
    const eg_str match = f->base.conditions.if_match;
    f->repeated = eg_repeated_flush(ret, &f->base.conditions, f->position);
    f->base.conditions.if_match = f->repeated ? EG_LIT("") : match;
    const eg_err e = eg_change_check(&f->base, ret, p);
    f->base.conditions.if_match = match;
    EG_TRY(e);
    return f->position < ret->length ? wrong_position(p) : EG_OK;
}

/* What has to be synced before the commit. EG_ERR_BUSY: more than `most` appends wait. */
static eg_err make_plan(eg_storage *s, eg_content_flush *f, uint64_t most, eg_problem *p) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    eg_inode i;
    EG_TRY(find_file(t, f, &i, p));
    if (i.staged > most) {
        return EG_ERR_BUSY;
    }
    f->plan = calloc(i.staged ? i.staged : 1, sizeof *f->plan);
    if (!f->plan) {
        return EG_ERR_NO_MEMORY;
    }
    for (uint64_t at = i.length; at < f->position;) {
        eg_staged x;
        const eg_err e = staged_at(t, f, &i.id, at, &x);
        if (e == EG_ERR_NOT_FOUND || f->plan_count >= i.staged || (e == EG_OK && x.length > f->position - at)) {
            return wrong_position(p);
        }
        EG_TRY(e);
        eg_location where;
        EG_TRY(eg_content_location_get(t, f->base.account, &x.segment, &where));
        f->plan[f->plan_count++] = (eg_segment_at){x.segment, where.file, where.offset + where.stored, where.stored};
        at += x.length;
    }
    return EG_OK;
}

/* Moves exactly what was synced; anything else means that an append came in between. */
static eg_err move_staged(eg_kv_txn *t, const eg_content_flush *f, eg_inode *i) {
    for (size_t n = 0; n < f->plan_count; n++) {
        eg_staged x;
        const uint64_t at = i->length;
        const eg_err e = staged_at(t, f, &i->id, at, &x);
        if (e == EG_ERR_NOT_FOUND || (e == EG_OK && !eg_id_eq(&x.segment, &f->plan[n].segment))) {
            return EG_ERR_BUSY;
        }
        EG_TRY(e);
        const eg_extent extent = {at, x.segment, 0, x.length};
        uint8_t key[EG_POSITION_KEY_LEN];
        eg_content_key(&i->id, at, key);
        EG_TRY(eg_kv_del(t, EG_DB_FS_STAGED, (eg_bytes){key, sizeof key}));
        EG_TRY(eg_content_extent_add(t, f->base.account, i, &extent));
        i->staged -= i->staged > 0;
    }
    return i->length == f->position ? EG_OK : EG_ERR_BUSY;
}

static eg_err drop_staged(eg_kv_txn *t, const eg_content_flush *f, eg_inode *i) {
    while (i->staged > 0) {
        EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
        EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_STAGED, eg_id_bytes(&i->id), &c));
        eg_bytes k;
        eg_bytes v;
        const eg_err e = eg_kv_cursor_next(c, &k, &v);
        if (e == EG_ERR_NOT_FOUND || (e == EG_OK && memcmp(k.ptr, i->id.b, sizeof i->id.b) != 0)) {
            i->staged = 0;
            return EG_OK;
        }
        EG_TRY(e);
        eg_staged x;
        EG_TRY(eg_content_staged_decode(f->base.account, k, v, &x));
        const eg_id gone = x.segment;
        EG_TRY(eg_kv_cursor_del(c));
        EG_TRY(eg_content_segment_drop(t, f->base.account, &i->id, &gone));
        i->staged--;
    }
    return EG_OK;
}

static eg_err apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    eg_content_flush *f = ctx;
    eg_inode i;
    EG_TRY(find_file(t, f, &i, p));
    const bool changes = f->position > i.length;
    const uint64_t from = i.length;
    uint8_t last_flush[EG_LAST_FLUSH_LEN];
    eg_err e = f->logged ? eg_segment_store_log(f->segments, t, f->plan, f->plan_count) : EG_OK;
    e = e == EG_OK ? move_staged(t, f, &i) : e;
    if (e == EG_OK && !f->retain) {
        e = drop_staged(t, f, &i);
    }
    if (e == EG_ERR_BUSY) {
        return eg_fail(p, e, "The file was appended to while it was flushed.");
    }
    EG_TRY(e);
    /* The writes above may have moved the row that the attributes are borrowed from. */
    eg_inode fresh;
    EG_TRY(eg_ns_inode_get(t, f->base.account, &i.id, &fresh));
    memcpy(i.attr, fresh.attr, sizeof i.attr);
    eg_change_keep_lease(&f->base, &i);
    bool attributes = false;
    for (size_t k = 0; k < EG_ATTR_COUNT; k++) {
        if (f->set[k] && !f->repeated) {
            i.attr[k] = f->attr[k];
            attributes = true;
        }
    }
    EG_TRY(attributes ? eg_ns_inode_check_shown(&i) : EG_OK);
    if (changes || attributes) {
        i.change++;
        i.modified_ns = f->base.now_ns;
    }
    if (changes) {
        eg_repeated_note_flush(&i, from, last_flush);
    }
    EG_TRY(eg_ns_inode_put(t, f->base.account, &i));
    f->base.after = i;
    return eg_change_finish(t, &f->base);
}

static eg_err sync_plan(void *flush) {
    eg_content_flush *f = flush;
    f->logged = eg_segment_store_can_log(f->segments, f->plan, f->plan_count);
    if (f->logged) {
        return EG_OK;
    }
    return eg_segment_store_sync(f->segments, f->plan, f->plan_count);
}

/* Packs of the day are synced by the committer, once for all who flush at the time; what has files of its own by who flushes, so that nobody waits for it. */
static size_t make_ops(eg_content_flush *f, const eg_txn_op *record) {
    const bool packed = eg_segment_all_packed(f->plan, f->plan_count);
    f->ops[0] = (eg_txn_op){apply, f, .grows = true, .before = packed ? sync_plan : NULL};
    if (record) {
        f->ops[1] = *record;
    }
    return record ? 2 : 1;
}

static eg_err sync_and_commit(eg_storage *s, eg_content_flush *f, const eg_txn_op *record, eg_problem *p) {
    const size_t n = make_ops(f, record);
    EG_TRY(f->ops[0].before ? EG_OK : sync_plan(f));
    return eg_commit(s->committer, f->ops, n, p);
}

void eg_content_flush_done(eg_content_flush *f) {
    free(f->plan);
    f->plan = NULL;
}

eg_err eg_content_flush_start(eg_storage *s, eg_content_flush *f, const eg_txn_op *record, void (*told)(void *ctx, eg_err e, const eg_problem *p), void *ctx) {
    eg_problem p = {0};
    f->segments = s->segments;
    f->plan = NULL;
    f->plan_count = 0;
    eg_err e = make_plan(s, f, PLANNED_AT_ONCE, &p);
    if (e == EG_OK) {
        const size_t n = make_ops(f, record);
        e = f->ops[0].before ? eg_commit_start(s->committer, f->ops, n, told, ctx) : EG_ERR_BUSY;
    } else {
        e = EG_ERR_BUSY; /* the other way says what is wrong */
    }
    if (e != EG_OK) {
        eg_content_flush_done(f);
    }
    return e;
}

/* A pack may go between plan and sync, when its segments were moved to another: then a second plan says where they are. */
eg_err eg_content_flush_run(eg_storage *s, eg_content_flush *f, const eg_txn_op *record, eg_problem *p) {
    eg_err e = EG_ERR_NOT_FOUND;
    f->segments = s->segments;
    f->plan = NULL;
    for (int attempt = 0; attempt < 2 && e == EG_ERR_NOT_FOUND; attempt++) {
        f->plan_count = 0;
        e = make_plan(s, f, EG_STAGED_MAX, p);
        if (e == EG_OK) {
            e = sync_and_commit(s, f, record, p);
        }
        eg_content_flush_done(f);
    }
    return e == EG_ERR_NOT_FOUND ? eg_fail(p, eg_record_corrupt(), "A segment of the file is missing.") : e;
}

eg_err eg_content_append_flushed(eg_storage *s, eg_content_stage *stage, eg_content_flush *f, const eg_txn_op *record, eg_problem *p) {
    const eg_segment_ref *r = &stage->segment;
    eg_segment_at one = {r->id, r->file, r->offset + r->size.stored, r->size.stored};
    eg_txn_op ops[3] = {{eg_content_stage_apply, stage, .grows = true}, {apply, f, .grows = true, .before = sync_plan}};
    f->segments = s->segments;
    f->plan = &one;
    f->plan_count = 1;
    if (record) {
        ops[2] = *record;
    }
    const eg_err e = eg_commit(s->committer, ops, record ? 3 : 2, p);
    f->plan = NULL;
    return e;
}
