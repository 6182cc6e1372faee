/* What a tenant has: accounts, containers, files and bytes, counted by a walk down the tree in bounded transactions. */
#include "erase.h"

#include "namespace.h"

#include <embergate/json.h>
#include <stdlib.h>

#define STEP_ENTRIES 1024

/* Directories that are still to be looked at. */
typedef struct stack {
    eg_id *ids;
    size_t count;
    size_t cap;
} stack;

static eg_err push(stack *s, const eg_id *id) {
    if (s->count == s->cap) {
        const size_t cap = s->cap ? 2 * s->cap : 256;
        eg_id *grown = realloc(s->ids, cap * sizeof *grown);
        if (!grown) {
            return EG_ERR_NO_MEMORY;
        }
        s->ids = grown;
        s->cap = cap;
    }
    s->ids[s->count++] = *id;
    return EG_OK;
}

typedef struct sums {
    uint64_t files;
    uint64_t directories;
    uint64_t bytes;
} sums;

typedef struct place {
    eg_id directory;
    uint8_t key[EG_KV_KEY_MAX];   /* the last entry that was counted */
    size_t key_len;
    bool done;
} place;

static eg_err count_entry(eg_kv_txn *t, const eg_account *a, const eg_entry *e, stack *directories, sums *n) {
    if (e->kind == EG_KIND_DIRECTORY) {
        n->directories++;
        return push(directories, &e->child);
    }
    eg_inode i;
    EG_TRY(eg_ns_inode_get(t, a, &e->child, &i));
    n->files++;
    n->bytes += i.length;
    return EG_OK;
}

static eg_err count_some(eg_storage *s, const eg_account *a, place *at, stack *directories, sums *n) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    const place from = *at;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_ENTRY, from.key_len ? (eg_bytes){from.key, from.key_len} : eg_id_bytes(&from.directory), &c));
    for (size_t seen = 0; seen < STEP_ENTRIES; seen++) {
        eg_bytes k;
        eg_bytes v;
        eg_str name;
        eg_entry e;
        const eg_err next = eg_kv_cursor_next(c, &k, &v);
        if (next == EG_OK && k.len == from.key_len && memcmp(k.ptr, from.key, k.len) == 0) {
            continue;
        }
        const eg_err found = next == EG_OK ? eg_ns_entry_decode(a, &from.directory, k, v, &name, &e) : next;
        if (found == EG_ERR_NOT_FOUND) {
            at->done = true;
            return EG_OK;
        }
        EG_TRY(found);
        EG_TRY(count_entry(t, a, &e, directories, n));
        memcpy(at->key, k.ptr, k.len);
        at->key_len = k.len;
    }
    return EG_OK;
}

static eg_err count_tree(eg_storage *s, const eg_account *a, const eg_id *root, sums *n) {
    stack directories = {0};
    eg_err e = push(&directories, root);
    while (e == EG_OK && directories.count > 0) {
        place at = {.directory = directories.ids[--directories.count]};
        while (e == EG_OK && !at.done) {
            e = count_some(s, a, &at, &directories, n);
        }
    }
    free(directories.ids);
    return e;
}

/* The next container after `name`; "" begins. EG_ERR_NOT_FOUND. */
static eg_err next_container(eg_storage *s, const eg_account *a, char name[64], eg_container *ret) {
    uint8_t key[EG_CONTAINER_KEY_MAX];
    const size_t prefix = eg_ns_container_key(a, EG_LIT(""), key);
    const size_t from = eg_ns_container_key(a, eg_str_of(name), key);
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_ACCOUNT, (eg_bytes){key, from}, &c));
    eg_bytes k;
    eg_bytes v;
    EG_TRY(eg_kv_cursor_next(c, &k, &v));
    if (name[0] && k.len == from && memcmp(k.ptr, key, from) == 0) {
        EG_TRY(eg_kv_cursor_next(c, &k, &v));
    }
    if (k.len <= prefix || memcmp(k.ptr, key, prefix) != 0 || k.len - prefix > 63) {
        return EG_ERR_NOT_FOUND;
    }
    EG_TRY(eg_ns_container_decode(a, k, v, ret));
    memcpy(name, k.ptr + prefix, k.len - prefix);
    name[k.len - prefix] = '\0';
    return EG_OK;
}

typedef struct walk {
    eg_storage *store;
    json_t *accounts;
    sums total;
    uint64_t containers;
} walk;

static eg_err count_account(void *ctx, const eg_account *a) {
    walk *w = ctx;
    char name[64] = "";
    eg_container c;
    json_t *containers = json_array();
    eg_err e;
    while ((e = next_container(w->store, a, name, &c)) == EG_OK) {
        sums n = {0};
        e = count_tree(w->store, a, &c.root, &n);
        if (e != EG_OK) {
            break;
        }
        json_array_append_new(containers, json_pack("{s:s, s:I, s:I, s:I}", "name", name, "files", (json_int_t)n.files, "directories", (json_int_t)n.directories,
                                                    "bytes", (json_int_t)n.bytes));
        w->containers++;
        w->total.files += n.files;
        w->total.directories += n.directories;
        w->total.bytes += n.bytes;
    }
    json_array_append_new(w->accounts, json_pack("{s:s, s:o}", "name", a->name, "containers", containers));
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

eg_err eg_storage_inventory(eg_storage *s, eg_str tenant, eg_buf *ret_json) {
    walk w = {.store = s, .accounts = json_array()};
    const eg_err e = eg_storage_each_account(s, tenant, count_account, &w);
    const size_t accounts = json_array_size(w.accounts);
    EG_JSON_AUTO all = json_pack("{s:o, s:I, s:I, s:I, s:I, s:I}", "accounts", w.accounts, "accountCount", (json_int_t)accounts, "containerCount",
                                 (json_int_t)w.containers, "fileCount", (json_int_t)w.total.files, "directoryCount", (json_int_t)w.total.directories, "bytes",
                                 (json_int_t)w.total.bytes);
    EG_TRY(e);
    return all ? eg_json_write(all, ret_json) : EG_ERR_NO_MEMORY;
}
