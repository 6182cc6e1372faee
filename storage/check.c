/* The walk down the tree of each account, and over the rows that hang beside it. */
#include "check.h"

#include "deleted.h"
#include "snapshot.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void eg_check_tell(eg_check *c, const char *kind, const char *where, const char *fmt, ...) {
    char what[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    if (strcmp(kind, "unverified") == 0) {
        c->sums.unverified++;
    } else if (strcmp(kind, "leftover") == 0) {
        c->sums.leftovers++;
    } else {
        c->sums.faults++;
    }
    c->sink->found(c->sink->ctx, kind, where, what);
}

const eg_account *eg_check_account_of(eg_check *c, eg_bytes row) {
    eg_str name;
    const eg_account *a = NULL;
    if (eg_content_staged_account(row, &name) != EG_OK || eg_storage_account(c->store, name, &a) != EG_OK) {
        return NULL;
    }
    return a;
}

/* Directories that are still to be looked into. */
typedef struct pending {
    struct pending *next;
    eg_id id;
    bool judge;              /* false: what hangs beneath an orphan is only marked as seen */
    char where[];
} pending;

static eg_err push(pending **stack, const eg_id *id, bool judge, const char *where) {
    const size_t n = strlen(where) + 1;
    pending *t = malloc(sizeof *t + n);
    if (!t) {
        return EG_ERR_NO_MEMORY;
    }
    t->next = *stack;
    t->id = *id;
    t->judge = judge;
    memcpy(t->where, where, n);
    *stack = t;
    return EG_OK;
}

static eg_err visit(eg_check *c, const eg_account *a, pending **stack, const eg_id *id, bool judge, const char *where) {
    uint32_t *seen = eg_id_map_at(c->inodes, id);
    if (!seen) {
        return EG_ERR_NO_MEMORY;
    }
    if (*seen) {
        if (judge) {
            eg_check_tell(c, "damaged", where, "leads to what another name leads to already");
        }
        return EG_OK;
    }
    *seen = 1;
    eg_inode i;
    eg_bytes stored;
    const eg_err there = eg_kv_get(c->txn, EG_DB_FS_INODE, eg_id_bytes(id), &stored);
    const eg_err e = there == EG_OK ? eg_ns_inode_get(c->txn, a, id, &i) : there;
    if (e != EG_OK) {
        if (judge) {
            eg_check_tell(c, there == EG_ERR_NOT_FOUND ? "lost" : "damaged", where, there == EG_ERR_NOT_FOUND ? "its row in fs.inode is gone"
                : "its row in fs.inode does not verify (%s)", eg_err_code(e));
        }
        return EG_OK;
    }
    if (i.kind == EG_KIND_DIRECTORY) {
        c->sums.directories += judge;
        return push(stack, id, judge, where);
    }
    c->sums.files += judge;
    return judge ? eg_check_file(c, a, &i, where) : EG_OK;
}

/* The name in a row's key, for rows that don't verify. */
static void name_in_key(eg_bytes key, char ret[EG_NAME_MAX + 1]) {
    const size_t n = key.len > 16 ? key.len - 16 : 0;
    memcpy(ret, key.ptr + 16, n);
    ret[n] = '\0';
}

static eg_err look_into(eg_check *c, const eg_account *a, pending **stack, const pending *d) {
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *cursor = NULL;
    EG_TRY(eg_kv_cursor_open(c->txn, EG_DB_FS_ENTRY, eg_id_bytes(&d->id), &cursor));
    for (;;) {
        eg_bytes k;
        eg_bytes v;
        eg_str name;
        eg_entry x;
        char where[EG_CHECK_PATH_MAX];
        const eg_err e = eg_kv_cursor_next(cursor, &k, &v);
        if (e == EG_ERR_NOT_FOUND || (e == EG_OK && (k.len < 16 || memcmp(k.ptr, d->id.b, 16) != 0))) {
            return EG_OK;
        }
        EG_TRY(e);
        if (eg_ns_entry_decode(a, &d->id, k, v, &name, &x) != EG_OK) {
            char raw[EG_NAME_MAX + 1];
            name_in_key(k, raw);
            (void)snprintf(where, sizeof where, "%s/%s", d->where, raw);
            eg_check_tell(c, "damaged", where, "its row in fs.entry does not verify");
            continue;
        }
        (void)snprintf(where, sizeof where, "%s/%.*s", d->where, EG_FMT(name));
        EG_TRY(visit(c, a, stack, &x.child, d->judge, where));
    }
}

static eg_err walk(eg_check *c, const eg_account *a, const eg_id *root, bool judge, const char *where) {
    pending *stack = NULL;
    eg_err e = visit(c, a, &stack, root, judge, where);
    while (stack) {
        pending *d = stack;
        stack = d->next;
        if (e == EG_OK) {
            e = look_into(c, a, &stack, d);
        }
        free(d);
    }
    return e;
}

static eg_err check_container(eg_check *c, eg_bytes key, eg_bytes row) {
    eg_container x;
    char where[EG_CHECK_PATH_MAX];
    const eg_account *a = NULL;
    eg_str rest = eg_bytes_str((eg_bytes){key.ptr + 2, key.len - 2});
    (void)snprintf(where, sizeof where, "%.*s", EG_FMT(rest));
    const eg_str account = eg_str_cut(&rest, '/');
    if (eg_storage_account(c->store, account, &a) != EG_OK) {
        return EG_OK; /* told where the account was */
    }
    c->sums.containers++;
    if (eg_ns_container_decode(a, key, row, &x) != EG_OK) {
        eg_check_tell(c, "damaged", where, "its row in fs.account does not verify");
        return EG_OK;
    }
    return walk(c, a, &x.root, true, where);
}

static eg_err check_account(eg_check *c, eg_bytes key) {
    const eg_account *a = NULL;
    const eg_str name = eg_bytes_str((eg_bytes){key.ptr + 2, key.len - 2});
    char where[EG_CHECK_PATH_MAX];
    (void)snprintf(where, sizeof where, "%.*s", EG_FMT(name));
    c->sums.accounts++;
    const eg_err e = eg_storage_account(c->store, name, &a);
    if (e == EG_ERR_KEY_DESTROYED) {
        eg_check_tell(c, "unverified", where, "the tenant's key was destroyed: nothing of the account can be read");
    } else if (e != EG_OK) {
        eg_check_tell(c, "damaged", where, "the account does not open (%s)", eg_err_code(e));
    }
    return EG_OK;
}

eg_err eg_check_each_row(eg_check *c, eg_kv_db db, eg_err (*fn)(eg_check *c, eg_bytes key, eg_bytes row)) {
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *cursor = NULL;
    EG_TRY(eg_kv_cursor_open(c->txn, db, (eg_bytes){NULL, 0}, &cursor));
    for (;;) {
        eg_bytes k;
        eg_bytes v;
        const eg_err e = eg_kv_cursor_next(cursor, &k, &v);
        if (e != EG_OK) {
            return e == EG_ERR_NOT_FOUND ? EG_OK : e;
        }
        EG_TRY(fn(c, k, v));
    }
}

static eg_err account_row(eg_check *c, eg_bytes k, eg_bytes v) {
    (void)v;
    return k.len > 2 && k.ptr[0] == 'a' ? check_account(c, k) : EG_OK;
}

static eg_err container_row(eg_check *c, eg_bytes k, eg_bytes v) { return k.len > 2 && k.ptr[0] == 'c' ? check_container(c, k, v) : EG_OK; }

/* What was cut off the tree and waits for the reclaimer is no fault, and neither is what hangs beneath it. */
static eg_err orphan_row(eg_check *c, eg_bytes k, eg_bytes v) {
    const eg_account *a = eg_check_account_of(c, v);
    eg_record_reader r;
    if (!a || k.len != 17 || k.ptr[0] != EG_ORPHAN_INODE) {
        return EG_OK;
    }
    if (eg_record_open(a, EG_ROW_ORPHAN, k, v, &r) != EG_OK) {
        eg_check_tell(c, "damaged", a->name, "a row of fs.orphan does not verify");
        return EG_OK;
    }
    eg_id id;
    memcpy(id.b, k.ptr + 1, sizeof id.b);
    eg_bytes stored;
    return eg_kv_get(c->txn, EG_DB_FS_INODE, eg_id_bytes(&id), &stored) == EG_OK ? walk(c, a, &id, false, "") : EG_OK;
}

static eg_err promise_block(void *ctx, const eg_block *b) {
    eg_check *c = ctx;
    return b->boot == c->store->boot ? eg_check_promise(c, &b->segment) : EG_OK;
}

static eg_err home_row(eg_check *c, eg_bytes k, eg_bytes v) {
    const eg_account *a = k.len > 0 && k.ptr[0] == 'h' ? eg_check_account_of(c, v) : NULL;
    eg_block_home h;
    char where[EG_CHECK_PATH_MAX];
    if (!a) {
        return EG_OK;
    }
    if (eg_block_home_decode(a, k, v, &h) != EG_OK) {
        eg_check_tell(c, "damaged", a->name, "a row of fs.block does not verify: uncommitted blocks of a blob are not to be had");
        return EG_OK;
    }
    (void)snprintf(where, sizeof where, "%s: uncommitted blocks of %.*s", a->name, EG_FMT(h.path));
    if (eg_blocks_each(c->txn, a, &h.inode, promise_block, c) != EG_OK) {
        eg_check_tell(c, "damaged", where, "a row of fs.block does not verify");
    }
    return walk(c, a, &h.inode, true, where);
}

/* What was deleted and is kept is named by its row of fs.deleted, and so is what is due. */
static eg_err deleted_row(eg_check *c, eg_bytes k, eg_bytes v) {
    const eg_account *a = eg_check_account_of(c, v);
    eg_record_reader r;
    eg_deleted d;
    char where[EG_CHECK_PATH_MAX];
    if (!a || k.len == 0) {
        return EG_OK;
    }
    if (k.ptr[0] == 't' ? eg_record_open(a, EG_ROW_DUE, k, v, &r) != EG_OK : eg_deleted_decode(a, k, v, &d) != EG_OK) {
        eg_check_tell(c, "damaged", a->name, "a row of fs.deleted does not verify");
        return EG_OK;
    }
    if (k.ptr[0] == 't') {
        return EG_OK;
    }
    (void)snprintf(where, sizeof where, "%s: deleted %.*s", a->name, EG_FMT(d.name));
    return walk(c, a, &d.inode, true, where);
}

/* Snapshots say so themselves. */
static eg_err kept_row(eg_check *c, eg_bytes k, eg_bytes v) {
    eg_id id;
    (void)v;
    if (k.len != sizeof id.b) {
        return EG_OK;
    }
    memcpy(id.b, k.ptr, sizeof id.b);
    if (eg_id_map_get(c->inodes, &id)) {
        return EG_OK;
    }
    for (const eg_account *a = c->store->accounts; a; a = a->next) {
        eg_inode i;
        char where[EG_CHECK_PATH_MAX];
        if (!eg_record_fits(a, EG_ROW_INODE, k, v) || eg_ns_inode_get(c->txn, a, &id, &i) != EG_OK) {
            continue;
        }
        if (i.attr[EG_ATTR_SNAPSHOT].len <= EG_SNAPSHOT_FAMILY_LEN) { /* that of a file names its family alone */
            return EG_OK;
        }
        (void)snprintf(where, sizeof where, "%s: a snapshot", a->name);
        return walk(c, a, &id, true, where);
    }
    return EG_OK;
}

static eg_err unreached_row(eg_check *c, eg_bytes k, eg_bytes v) {
    eg_id id;
    (void)v;
    if (k.len != sizeof id.b) {
        eg_check_tell(c, "damaged", "fs.inode", "a key of %zu bytes", k.len);
        return EG_OK;
    }
    memcpy(id.b, k.ptr, sizeof id.b);
    if (eg_id_map_get(c->inodes, &id)) {
        return EG_OK;
    }
    for (const eg_account *a = c->store->accounts; a; a = a->next) {
        eg_inode i;
        if (eg_record_fits(a, EG_ROW_INODE, k, v) && eg_ns_inode_get(c->txn, a, &id, &i) == EG_OK) {
            eg_check_tell(c, "lost", a->name, "a %s of %llu bytes, changed %llu times, that no name leads to: its row in fs.entry was taken away",
                i.kind == EG_KIND_FILE ? "file" : "directory", (unsigned long long)i.length, (unsigned long long)i.change);
            return walk(c, a, &id, false, "");
        }
    }
    if (c->sums.unverified == 0) {
        eg_check_tell(c, "damaged", "fs.inode", "a row that no name leads to, and that does not verify");
    }
    return EG_OK;
}

static eg_err add_up(eg_check *c, eg_bytes k, eg_bytes v) {
    eg_location l;
    const eg_account *a = eg_check_account_of(c, v);
    if (a && eg_content_location_decode(a, k, v, &l) == EG_OK) {
        c->sums.total += l.stored;
    }
    return EG_OK;
}

static eg_err check_all(eg_check *c) {
    EG_TRY(eg_check_each_row(c, EG_DB_FS_PLACE, add_up));
    EG_TRY(eg_check_each_row(c, EG_DB_FS_ACCOUNT, account_row));
    EG_TRY(eg_check_each_row(c, EG_DB_FS_ACCOUNT, container_row));
    EG_TRY(eg_check_each_row(c, EG_DB_FS_ORPHAN, orphan_row));
    EG_TRY(eg_check_each_row(c, EG_DB_FS_BLOCK, home_row));
    EG_TRY(eg_check_each_row(c, EG_DB_FS_DELETED, deleted_row));
    EG_TRY(eg_check_each_row(c, EG_DB_FS_INODE, kept_row));
    EG_TRY(eg_check_each_row(c, EG_DB_FS_INODE, unreached_row));
    EG_TRY(eg_check_beside(c));
    EG_TRY(eg_check_places(c));
    return eg_check_digest(c);
}

eg_err eg_storage_check(eg_storage *s, const eg_check_sink *sink, eg_check_sums *ret) {
    eg_check c = {.store = s, .sink = sink, .plain = malloc(EG_SEGMENT_CHUNK)};
    eg_err e = c.plain ? eg_id_map_new(&c.inodes) : EG_ERR_NO_MEMORY;
    if (e == EG_OK) {
        e = eg_id_map_new(&c.segments);
    }
    if (e == EG_OK) {
        e = eg_id_map_new(&c.owners);
    }
    if (e == EG_OK) {
        e = eg_id_map_new(&c.promised);
    }
    if (e == EG_OK) {
        e = eg_kv_read_begin(s->kv, &c.txn);
    }
    if (e == EG_OK) {
        e = check_all(&c);
        eg_kv_read_end(c.txn);
    }
    if (c.plain) {
        eg_cleanse(c.plain, EG_SEGMENT_CHUNK);
    }
    free(c.plain);
    eg_id_map_free(c.inodes);
    eg_id_map_free(c.segments);
    eg_id_map_free(c.owners);
    eg_id_map_free(c.promised);
    if (e == EG_OK) {
        *ret = c.sums;
    }
    return e;
}
