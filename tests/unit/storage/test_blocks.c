/* Blocks and clones: content that is put together and shared. covers: blocks.c content_clone.c content_replace.c content_segment.c upload.c */
#include "storage_fixture.h"

#include "blocks.h"
#include "file_key.h"
#include "upload.h"

/* A new inode with its key. */
typedef struct fresh {
    eg_inode inode;
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];
    eg_file_key *key;
} fresh;

static void fresh_make(store *s, fresh *f) {
    eg_file_key_plan plan = {.must_not_wait = false};
    *f = (fresh){.inode = {.kind = EG_KIND_FILE, .change = 1, .mode = 0640}};
    assert_int_equal(eg_file_key_make(s->storage, store_account(s), &plan, &f->inode), EG_OK);
    memcpy(f->wrapped, plan.wrapped, plan.wrapped_len);
    f->inode.attr[EG_ATTR_WRAPPED_KEY] = (eg_bytes){f->wrapped, plan.wrapped_len};
    assert_int_equal(eg_key_cache_get(s->storage->key_cache, EG_LIT(TENANT), &f->inode.id, f->inode.attr[EG_ATTR_WRAPPED_KEY], &f->key), EG_OK);
}

/* What a path holds now; attributes live in `arena`. */
static void find(store *s, const char *path, eg_arena *arena, eg_inode *ret, eg_id *ret_container) {
    eg_kv_txn *t = NULL;
    eg_place place;
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_ns_resolve(t, store_account(s), EG_LIT(FS), eg_str_of(path), &place), EG_OK);
    assert_true(place.exists);
    assert_int_equal(eg_ns_inode_get(t, store_account(s), &place.entry.child, ret), EG_OK);
    assert_int_equal(eg_ns_inode_keep(ret, arena), EG_OK);
    *ret_container = place.container.root;
    eg_kv_read_end(t);
}

static eg_upload *uploaded(store *s, const void *data, size_t n) {
    eg_upload *u = NULL;
    assert_int_equal(eg_upload_begin(s->storage, EG_LIT(TENANT), (int64_t)n, &u, NULL), EG_OK);
    assert_int_equal(eg_upload_add(u, (eg_bytes){data, n}), EG_OK);
    assert_int_equal(eg_upload_finish(u), EG_OK);
    assert_int_equal(eg_upload_plain(u), n);
    return u;
}

static eg_blocks_of of_path(store *s, const char *path) {
    eg_inode root;
    eg_blocks_of of = {.account = store_account(s), .path = eg_str_of(path)};
    eg_arena *arena = eg_arena_new(65536);
    find(s, "", arena, &root, &of.container);
    eg_arena_free(arena);
    return of;
}

/* The home of a path's blocks, or a new one. */
static void home_of(store *s, const eg_blocks_of *of, fresh *ret) {
    eg_kv_txn *t = NULL;
    eg_block_home h;
    eg_inode i;
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    const eg_err e = eg_blocks_home(t, of, &h);
    if (e == EG_OK) {
        assert_int_equal(eg_ns_inode_get(t, of->account, &h.inode, &i), EG_OK);
        *ret = (fresh){.inode = i};
        const eg_bytes wrapped = i.attr[EG_ATTR_WRAPPED_KEY];
        memcpy(ret->wrapped, wrapped.ptr, wrapped.len);
        ret->inode.attr[EG_ATTR_WRAPPED_KEY] = (eg_bytes){ret->wrapped, wrapped.len};
        assert_int_equal(eg_key_cache_get(s->storage->key_cache, EG_LIT(TENANT), &i.id, ret->inode.attr[EG_ATTR_WRAPPED_KEY], &ret->key), EG_OK);
    }
    eg_kv_read_end(t);
    if (e == EG_ERR_NOT_FOUND) {
        fresh_make(s, ret);
    } else {
        assert_int_equal(e, EG_OK);
    }
}

static eg_err put_block(store *s, const char *path, const char *id, const void *data, size_t n) {
    fresh home;
    eg_block_put put = {.of = of_path(s, path), .id = eg_str_bytes(eg_str_of(id)), .now_ns = eg_wall_ns(s->storage->clock), .boot = s->storage->boot};
    home_of(s, &put.of, &home);
    put.home = home.inode;
    eg_upload *u = uploaded(s, data, n);
    assert_int_equal(eg_upload_ref(u, eg_file_key_bytes(home.key), &home.inode.id, &put.segment), EG_OK);
    const eg_txn_op op = {eg_block_put_apply, &put};
    const eg_err e = eg_commit(s->committer, &op, 1, NULL);
    eg_upload_settle(u, e);
    eg_upload_free(u);
    eg_file_key_unref(home.key);
    return e;
}

static eg_err replace(store *s, const char *path, const eg_part *parts, size_t n) {
    fresh made;
    fresh home;
    eg_inode current = {0};
    eg_id container;
    eg_file_key *current_key = NULL;
    eg_arena *arena = eg_arena_new(65536);
    const eg_blocks_of of = of_path(s, path);
    fresh_make(s, &made);
    home_of(s, &of, &home);
    eg_content_replace r = {.create = {.base = {.account = of.account, .grant = &eg_grant_all, .container = EG_LIT(FS), .path = of.path, .now_ns = 5}, .made = made.inode},
        .key = eg_file_key_bytes(made.key), .parts = parts, .count = n, .home = home.inode.id, .home_key = eg_file_key_bytes(home.key),
        .boot = s->storage->boot};
    char full[64];
    snprintf(full, sizeof full, "/data/%s", path);
    if (store_head(s, full) == EG_OK) {
        find(s, path, arena, &current, &container);
        assert_int_equal(eg_key_cache_get(s->storage->key_cache, EG_LIT(TENANT), &current.id, current.attr[EG_ATTR_WRAPPED_KEY], &current_key), EG_OK);
        r.current = &current;
        r.current_key = eg_file_key_bytes(current_key);
    }
    const eg_err e = eg_content_replace_run(s->storage, &r, NULL, NULL);
    eg_file_key_unref(current_key);
    eg_file_key_unref(home.key);
    eg_file_key_unref(made.key);
    eg_arena_free(arena);
    return e;
}

static eg_part block(const char *id) { return (eg_part){.kind = EG_PART_BLOCK, .id = eg_str_bytes(eg_str_of(id))}; }

static void expect(store *s, const char *path, const char *want) {
    answer a = store_read(s, path);
    assert_int_equal(a.err, EG_OK);
    assert_int_equal(a.body.len, strlen(want));
    assert_memory_equal(a.body.ptr, want, strlen(want));
    answer_free(&a);
}

static void reclaim(store *s) {
    size_t left = 1;
    left = store_reclaim(s);
    assert_int_equal(left, 0);
}

static void a_list(void **state) {
    store *s = *state;
    store_quiet(s);
    assert_int_equal(put_block(s, "b", "AA", "one", 3), EG_OK);
    assert_int_equal(put_block(s, "b", "BB", "two", 3), EG_OK);
    assert_int_equal(put_block(s, "b", "CC", "unused", 6), EG_OK);
    assert_int_equal(put_block(s, "b", "BB", "TWO!", 4), EG_OK); /* again: the last one counts */
    assert_int_equal(put_block(s, "b", "BBB", "x", 1), EG_ERR_BLOCK_ID);
    assert_int_equal(put_block(s, "b", "", "x", 1), EG_ERR_BLOCK_ID);
    assert_int_equal(store_head(s, "/data/b"), EG_ERR_PATH_NOT_FOUND);
    const eg_part wrong[] = {block("AA"), block("DD")};
    assert_int_equal(replace(s, "b", wrong, 2), EG_ERR_BLOCK_LIST);
    const eg_part parts[] = {block("BB"), block("AA"), block("BB")};
    assert_int_equal(replace(s, "b", parts, 3), EG_OK);
    expect(s, "/data/b", "TWO!oneTWO!");
    /* The rest of the blocks is gone with the list. */
    assert_int_equal(replace(s, "b", parts, 1), EG_ERR_BLOCK_LIST);
    reclaim(s);
    assert_int_equal(store_rows(s, EG_DB_FS_BLOCK), 0);
    assert_int_equal(store_rows(s, EG_DB_FS_SEGMENT), 2);
    assert_int_equal(store_rows(s, EG_DB_FS_PLACE), 2);
    assert_int_equal(store_rows(s, EG_DB_FS_BLOCK_LIST), 3);
    expect(s, "/data/b", "TWO!oneTWO!");
    assert_int_equal(store_delete(s, "/data/b", ""), EG_OK);
    reclaim(s);
    assert_int_equal(store_rows(s, EG_DB_FS_PLACE), 0);
    assert_int_equal(store_rows(s, EG_DB_FS_BLOCK_LIST), 0);
}

static eg_err remember_block(void *ctx, const eg_listed_block *b) {
    char *to = ctx;
    const size_t n = strlen(to);
    snprintf(to + n, 64 - n, "%.*s@%llu+%llu ", (int)b->id.len, (const char *)b->id.ptr, (unsigned long long)b->offset, (unsigned long long)b->size);
    return EG_OK;
}

static void old_and_new(void **state) {
    store *s = *state;
    store_quiet(s);
    assert_int_equal(put_block(s, "b", "AA", "0123456789", 10), EG_OK);
    assert_int_equal(put_block(s, "b", "BB", "abc", 3), EG_OK);
    const eg_part first[] = {block("AA"), block("BB")};
    assert_int_equal(replace(s, "b", first, 2), EG_OK);
    reclaim(s);
    assert_int_equal(put_block(s, "b", "CC", "new", 3), EG_OK);
    const eg_part second[] = {{.kind = EG_PART_RANGE, .id = eg_str_bytes(EG_LIT("BB")), .range = {10, 13}}, block("CC"),
        {.kind = EG_PART_RANGE, .range = {2, 12}}};
    assert_int_equal(replace(s, "b", second, 3), EG_OK);
    expect(s, "/data/b", "abcnew23456789ab");
    reclaim(s);
    expect(s, "/data/b", "abcnew23456789ab");
    assert_int_equal(store_rows(s, EG_DB_FS_PLACE), 3);
    char list[64] = "";
    eg_inode i;
    eg_id container;
    eg_arena *arena = eg_arena_new(65536);
    find(s, "b", arena, &i, &container);
    eg_kv_txn *t = NULL;
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_block_list_each(t, store_account(s), &i.id, remember_block, list), EG_OK);
    assert_string_equal(list, "BB@0+3 CC@3+3 ");
    assert_int_equal(eg_content_check(t, store_account(s), &i), EG_OK);
    eg_kv_read_end(t);
    eg_arena_free(arena);
    const eg_part beyond[] = {{.kind = EG_PART_RANGE, .range = {2, 17}}};
    assert_int_equal(replace(s, "b", beyond, 1), EG_ERR_RANGE);
    assert_int_equal(replace(s, "b", NULL, 0), EG_OK);
    expect(s, "/data/b", "");
    reclaim(s);
    assert_int_equal(store_rows(s, EG_DB_FS_PLACE), 0);
}

static void in_one_piece(void **state) {
    store *s = *state;
    fresh made;
    eg_segment_ref ref;
    fresh_make(s, &made);
    eg_upload *u = uploaded(s, "whole", 5);
    assert_int_equal(eg_upload_ref(u, eg_file_key_bytes(made.key), &made.inode.id, &ref), EG_OK);
    const eg_part part = {.kind = EG_PART_SEGMENT, .segment = &ref};
    eg_content_replace r = {.create = {.base = {.account = store_account(s), .grant = &eg_grant_all, .container = EG_LIT(FS), .path = EG_LIT("d/whole")}, .made = made.inode},
        .key = eg_file_key_bytes(made.key), .parts = &part, .count = 1};
    const eg_err e = eg_content_replace_run(s->storage, &r, NULL, NULL);
    eg_upload_settle(u, e);
    eg_upload_free(u);
    eg_file_key_unref(made.key);
    assert_int_equal(e, EG_OK);
    expect(s, "/data/d/whole", "whole");
}

static void an_earlier_boot(void **state) {
    store *s = *state;
    assert_int_equal(put_block(s, "b", "AA", "one", 3), EG_OK);
    s->storage->boot++;
    const eg_part parts[] = {block("AA")};
    assert_int_equal(replace(s, "b", parts, 1), EG_ERR_BLOCK_LIST);
}

static int64_t week_later(void *ctx) {
    (void)ctx;
    return eg_wall_ns(&eg_clock_system) + EG_BLOCKS_KEPT_NS + 1000000000;
}
static int64_t mono(void *ctx) {
    (void)ctx;
    return eg_mono_ns(&eg_clock_system);
}

static void forgotten(void **state) {
    store *s = *state;
    static const eg_clock later = {week_later, mono, NULL};
    static const atomic_bool never = false;
    store_quiet(s);
    assert_int_equal(put_block(s, "old", "AA", "one", 3), EG_OK);
    s->storage->clock = &later;
    assert_int_equal(put_block(s, "new", "AA", "one", 3), EG_OK);
    assert_int_equal(eg_reclaim_sweep(s->storage, &never), EG_OK);
    reclaim(s);
    assert_int_equal(store_rows(s, EG_DB_FS_BLOCK), 2);
    assert_int_equal(store_rows(s, EG_DB_FS_PLACE), 1);
    s->storage->clock = &eg_clock_system;
}

typedef struct cloning {
    store *s;
    const char *from;
    fresh to;
    const char *path;
    eg_file_key *from_key;
} cloning;

static eg_err clone_apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    cloning *c = ctx;
    const eg_account *a = store_account(c->s);
    eg_place place;
    eg_inode from;
    const eg_change at = {.account = a, .grant = &eg_grant_all, .container = EG_LIT(FS), .path = eg_str_of(c->from)};
    EG_TRY(eg_path_find(t, &at, &place, &from, p));
    const eg_content_source source = {&from, eg_file_key_bytes(c->from_key)};
    EG_TRY(eg_content_clone(t, a, &source, &c->to.inode, eg_file_key_bytes(c->to.key)));
    eg_path_create create = {.base = {.account = a, .grant = &eg_grant_all, .container = EG_LIT(FS), .path = eg_str_of(c->path)}, .made = c->to.inode};
    return eg_path_create_apply(t, &create, p);
}

static void a_clone(void **state) {
    store *s = *state;
    store_quiet(s);
    eg_inode from;
    eg_id container;
    eg_arena *arena = eg_arena_new(65536);
    cloning c = {.s = s, .from = "f", .path = "g"};
    store_write(s, "/data/f", "some content", 12);
    assert_int_equal(store_append(s, "/data/f", 12, " more", 5), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", 17), EG_OK);
    find(s, "f", arena, &from, &container);
    fresh_make(s, &c.to);
    assert_int_equal(eg_key_cache_get(s->storage->key_cache, EG_LIT(TENANT), &from.id, from.attr[EG_ATTR_WRAPPED_KEY], &c.from_key), EG_OK);
    const eg_txn_op op = {clone_apply, &c};
    assert_int_equal(eg_commit(s->committer, &op, 1, NULL), EG_OK);
    eg_file_key_unref(c.to.key);
    eg_file_key_unref(c.from_key);
    eg_arena_free(arena);
    assert_int_equal(store_rows(s, EG_DB_FS_PLACE), 2);
    assert_int_equal(store_rows(s, EG_DB_FS_SEGMENT), 4);
    expect(s, "/data/g", "some content more");
    /* Each goes on alone: appended to, and after the other is gone. */
    assert_int_equal(store_append(s, "/data/g", 17, "!", 1), EG_OK);
    assert_int_equal(store_flush(s, "/data/g", 18), EG_OK);
    expect(s, "/data/f", "some content more");
    assert_int_equal(store_delete(s, "/data/f", ""), EG_OK);
    reclaim(s);
    assert_int_equal(store_rows(s, EG_DB_FS_PLACE), 3);
    expect(s, "/data/g", "some content more!");
    assert_int_equal(store_delete(s, "/data/g", ""), EG_OK);
    reclaim(s);
    assert_int_equal(store_rows(s, EG_DB_FS_PLACE), 0);
    assert_int_equal(store_rows(s, EG_DB_FS_SEGMENT), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_list, store_open, store_close),
        cmocka_unit_test_setup_teardown(old_and_new, store_open, store_close),
        cmocka_unit_test_setup_teardown(in_one_piece, store_open, store_close),
        cmocka_unit_test_setup_teardown(an_earlier_boot, store_open, store_close),
        cmocka_unit_test_setup_teardown(forgotten, store_open, store_close),
        cmocka_unit_test_setup_teardown(a_clone, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
