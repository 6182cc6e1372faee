/* New content for a path, all at once: what was uploaded, uncommitted blocks and ranges of the file that stands there. */
#include "blocks.h"
#include "segment_store.h"

#include <stdlib.h>

static eg_err no_block(eg_problem *p) {
    return eg_fail(p, EG_ERR_BLOCK_LIST, "The specified block list is invalid.");
}

static eg_err changed(eg_problem *p) {
    return eg_fail(p, EG_ERR_BUSY, "The file or its blocks changed meanwhile.");
}

static eg_err block_of(eg_kv_txn *t, const eg_content_replace *r, const eg_part *part, eg_block *ret, eg_problem *p) {
    const eg_err e = eg_block_get(t, r->create.base.account, &r->home, part->id, ret);
    if (e == EG_ERR_NOT_FOUND || (e == EG_OK && ret->boot != r->boot)) {
        return no_block(p);
    }
    return e;
}

static void plan_segment(const eg_part *part, eg_segment_at *ret) {
    *ret = (eg_segment_at){part->segment->id, part->segment->file, part->segment->offset + part->segment->size.stored, part->segment->size.stored};
}

/* What has to be synced before the commit. */
static eg_err make_plan(eg_storage *s, eg_content_replace *r, eg_problem *p) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    r->plan = calloc(r->count ? r->count : 1, sizeof *r->plan);
    if (!r->plan) {
        return EG_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < r->count; i++) {
        const eg_part *part = &r->parts[i];
        eg_segment_at *to = &r->plan[r->plan_count];
        eg_block b;
        if (part->kind == EG_PART_SEGMENT) {
            plan_segment(part, to);
            r->plan_count++;
        } else if (part->kind == EG_PART_BLOCK) {
            eg_location where;
            EG_TRY(block_of(t, r, part, &b, p));
            EG_TRY(eg_content_location_get(t, r->create.base.account, &b.segment, &where));
            *to = (eg_segment_at){b.segment, where.file, where.offset + where.stored, where.stored};
            r->plan_count++;
        }
    }
    return EG_OK;
}

static eg_err add_segment(eg_kv_txn *t, const eg_account *a, eg_inode *to, const eg_id *segment, uint64_t size) {
    const eg_extent x = {to->length, *segment, 0, size};
    return eg_content_extent_add(t, a, to, &x);
}

/* Only what was synced may be committed: a block that was put again meanwhile is another segment. */
static eg_err add_block(eg_kv_txn *t, eg_content_replace *r, const eg_part *part, const eg_segment_at *synced, eg_problem *p) {
    const eg_account *a = r->create.base.account;
    eg_inode *made = &r->create.made;
    const eg_content_move m = {&r->home, r->home_key, &made->id, r->key};
    eg_block b;
    eg_segment_size size;
    EG_TRY(block_of(t, r, part, &b, p));
    if (!eg_id_eq(&b.segment, &synced->segment)) {
        return changed(p);
    }
    EG_TRY(eg_content_share_segment(t, a, &m, &b.segment, &size));
    return size.plain != b.size ? eg_record_corrupt() : add_segment(t, a, made, &b.segment, b.size);
}

static eg_err add_parts(eg_kv_txn *t, eg_content_replace *r, eg_problem *p) {
    const eg_account *a = r->create.base.account;
    eg_inode *made = &r->create.made;
    const eg_content_source current = {r->current, r->current_key};
    eg_block_list_writer list = {.txn = t, .account = a, .inode = made->id};
    size_t synced = 0;
    for (size_t i = 0; i < r->count; i++) {
        const eg_part *part = &r->parts[i];
        const uint64_t at = made->length;
        switch (part->kind) {
        case EG_PART_SEGMENT:
            synced++;
            EG_TRY(eg_content_segment_add(t, a, part->segment));
            EG_TRY(add_segment(t, a, made, &part->segment->id, part->segment->size.plain));
            break;
        case EG_PART_BLOCK:
            EG_TRY(add_block(t, r, part, &r->plan[synced++], p));
            break;
        case EG_PART_RANGE:
            EG_TRY(eg_content_share_range(t, a, &current, part->range, made, r->key));
            break;
        default:
            return EG_ERR_INVALID;
        }
        if (part->id.len > 0) {
            const eg_listed_block b = {part->id, at, made->length - at};
            EG_TRY(eg_block_list_add(&list, &b));
        }
    }
    return EG_OK;
}

/* Whether the file that stands there is the one that the ranges were chosen from. */
static eg_err check_current(eg_kv_txn *t, const eg_content_replace *r, const eg_place *place, eg_problem *p) {
    if (!r->current) {
        return EG_OK;
    }
    eg_inode i;
    if (!place->exists || !eg_id_eq(&place->entry.child, &r->current->id)) {
        return changed(p);
    }
    EG_TRY(eg_ns_inode_get(t, r->create.base.account, &r->current->id, &i));
    return i.change == r->current->change ? EG_OK : changed(p);
}

static eg_err apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    eg_content_replace *r = ctx;
    eg_inode *made = &r->create.made;
    eg_place place;
    EG_TRY(eg_path_resolve(t, &r->create.base, r->create.base.path, &place, p));
    EG_TRY(check_current(t, r, &place, p));
    made->length = 0;
    made->extents = 0;
    memset(made->digest, 0, sizeof made->digest);
    EG_TRY(add_parts(t, r, p));
    if (r->logged) {
        const eg_err e = eg_segment_store_log(r->segments, t, r->plan, r->plan_count);
        EG_TRY(e == EG_ERR_NOT_FOUND ? changed(p) : e);
    }
    if (!r->keep_blocks) {
        const eg_blocks_of of = {r->create.base.account, place.container.root, r->create.base.path};
        EG_TRY(eg_blocks_drop(t, &of));
    }
    r->create.place = &place;
    const eg_err e = eg_path_create_apply(t, &r->create, p);
    r->create.place = NULL;
    return e;
}

/* In the committer's thread: what is small goes into the log with the rows; of packs of the day one sync makes a whole group's durable. A segment that is gone was replaced and reclaimed meanwhile; a lost
 * file shows itself at the next try, or to the reader. */
static eg_err sync_plan(void *replace) {
    eg_content_replace *r = replace;
    r->logged = eg_segment_store_can_log(r->segments, r->plan, r->plan_count);
    if (r->logged) {
        return EG_OK;
    }
    const eg_err e = eg_segment_store_sync(r->segments, r->plan, r->plan_count);
    return e == EG_ERR_NOT_FOUND ? EG_ERR_BUSY : e;
}

static size_t make_ops(eg_storage *s, eg_content_replace *r, const eg_txn_op *record) {
    r->segments = s->segments;
    r->ops[0] = (eg_txn_op){apply, r, .grows = true};
    if (eg_segment_all_packed(r->plan, r->plan_count)) {
        r->ops[0].before = sync_plan;
    }
    if (record) {
        r->ops[1] = *record;
    }
    return record ? 2 : 1;
}

eg_err eg_content_replace_run(eg_storage *s, eg_content_replace *r, const eg_txn_op *record, eg_problem *p) {
    r->plan = NULL;
    r->plan_count = 0;
    eg_err e = make_plan(s, r, p);
    if (e == EG_OK) {
        const size_t n = make_ops(s, r, record);
        e = r->ops[0].before ? EG_OK : sync_plan(r);
        e = e == EG_OK ? eg_commit(s->committer, r->ops, n, p) : e;
    }
    free(r->plan);
    r->plan = NULL;
    return e == EG_ERR_BUSY ? changed(p) : e;
}

eg_err eg_content_replace_start(eg_storage *s, eg_content_replace *r, const eg_txn_op *record, void (*told)(void *ctx, eg_err e, const eg_problem *p), void *ctx) {
    r->plan = &r->one;
    r->plan_count = 0;
    if (r->count > 1 || (r->count == 1 && r->parts[0].kind != EG_PART_SEGMENT)) {
        return EG_ERR_BUSY;
    }
    if (r->count == 1) {
        plan_segment(&r->parts[0], &r->one);
        r->plan_count = 1;
    }
    const size_t n = make_ops(s, r, record);
    return r->ops[0].before ? eg_commit_start(s->committer, r->ops, n, told, ctx) : EG_ERR_BUSY;
}
