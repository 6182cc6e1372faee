/* Containers, directory entries and the walk along a path. */
#include "namespace.h"

#include <embergate/encoding.h>

size_t eg_ns_container_key(const eg_account *a, eg_str name, uint8_t ret[EG_CONTAINER_KEY_MAX]) {
    const size_t account_len = strlen(a->name);
    const size_t name_len = name.len < 63 ? name.len : 63;
    size_t n = 0;
    ret[n++] = 'c';
    ret[n++] = '/';
    memcpy(ret + n, a->name, account_len);
    n += account_len;
    ret[n++] = '/';
    memcpy(ret + n, name.ptr, name_len);
    return n + name_len;
}

bool eg_ns_container_name_ok(eg_str name) {
    if (eg_str_is(name, "$root") || eg_str_is(name, "$web") || eg_str_is(name, "$logs")) {
        return true;
    }
    if (name.len < 3 || name.len > 63) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        const bool edge = i == 0 || i + 1 == name.len || name.ptr[i - 1] == '-';
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && !edge))) {
            return false;
        }
    }
    return true;
}

eg_err eg_ns_container_decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_container *ret) {
    eg_record_reader r;
    EG_TRY(eg_record_open(a, EG_ROW_CONTAINER, key, value, &r));
    eg_container c = {.root = eg_record_get_id(&r)};
    c.created_ns = (int64_t)eg_record_get_u64(&r);
    const bool marked = r.left > 0; /* rows of before there were marks know nothing */
    c.longest = marked ? eg_record_get_u16(&r) : EG_PATH_MAX;
    c.deepest = marked ? eg_record_get_u16(&r) : EG_PATH_DEPTH_MAX;
    EG_TRY(eg_record_end(&r));
    *ret = c;
    return EG_OK;
}

eg_err eg_ns_container_get(eg_kv_txn *t, const eg_account *a, eg_str name, eg_container *ret) {
    if (!eg_ns_container_name_ok(name)) {
        return EG_ERR_FILESYSTEM_NOT_FOUND;
    }
    uint8_t key[EG_CONTAINER_KEY_MAX];
    const eg_bytes k = {key, eg_ns_container_key(a, name, key)};
    eg_bytes stored;
    const eg_err e = eg_kv_get(t, EG_DB_FS_ACCOUNT, k, &stored);
    if (e == EG_ERR_NOT_FOUND) {
        return EG_ERR_FILESYSTEM_NOT_FOUND;
    }
    EG_TRY(e);
    return eg_ns_container_decode(a, k, stored, ret);
}

eg_err eg_ns_container_put(eg_kv_txn *t, const eg_account *a, eg_str name, const eg_container *c) {
    uint8_t key[EG_CONTAINER_KEY_MAX];
    const eg_bytes k = {key, eg_ns_container_key(a, name, key)};
    eg_buf b;
    eg_record_start(&b, 128);
    eg_record_bytes(&b, eg_id_bytes(&c->root));
    eg_record_u64(&b, (uint64_t)c->created_ns);
    eg_record_u16(&b, c->longest);
    eg_record_u16(&b, c->deepest);
    eg_err e = eg_record_seal(a, EG_ROW_CONTAINER, k, &b);
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_ACCOUNT, k, eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

size_t eg_ns_entry_key(const eg_id *parent, eg_str name, uint8_t ret[EG_KV_KEY_MAX]) {
    size_t n = sizeof parent->b;
    memcpy(ret, parent->b, n);
    if (name.len <= EG_NS_NAME_IN_KEY) {
        memcpy(ret + n, name.ptr, name.len);
        return n + name.len;
    }
    memcpy(ret + n, name.ptr, EG_NS_NAME_IN_KEY);
    n += EG_NS_NAME_IN_KEY;
    ret[n++] = 0xff;
    eg_sha256(eg_str_bytes(name), ret + n);
    return n + EG_SHA256_LEN;
}

eg_err eg_ns_entry_decode(const eg_account *a, const eg_id *parent, eg_bytes key, eg_bytes value, eg_str *ret_name, eg_entry *ret) {
    if (key.len <= sizeof parent->b || memcmp(key.ptr, parent->b, sizeof parent->b) != 0) {
        return EG_ERR_NOT_FOUND;
    }
    eg_record_reader r;
    EG_TRY(eg_record_open(a, EG_ROW_ENTRY, key, value, &r));
    eg_entry e = {.kind = (eg_kind)eg_record_get_u8(&r)};
    e.child = eg_record_get_id(&r);
    const eg_bytes whole = eg_record_get_text(&r);
    EG_TRY(eg_record_end(&r));
    if (e.kind != EG_KIND_FILE && e.kind != EG_KIND_DIRECTORY) {
        return eg_record_corrupt();
    }
    *ret_name = whole.len > 0 ? eg_bytes_str(whole)
                              : (eg_str){(const char *)key.ptr + sizeof parent->b, key.len - sizeof parent->b};
    *ret = e;
    return EG_OK;
}

eg_err eg_ns_entry_get(eg_kv_txn *t, const eg_account *a, const eg_id *parent, eg_str name, eg_entry *ret) {
    uint8_t key[EG_KV_KEY_MAX];
    const eg_bytes k = {key, eg_ns_entry_key(parent, name, key)};
    eg_bytes stored;
    EG_TRY(eg_kv_get(t, EG_DB_FS_ENTRY, k, &stored));
    eg_str found;
    eg_entry e;
    const eg_err err = eg_ns_entry_decode(a, parent, k, stored, &found, &e);
    EG_TRY(err);
    if (!eg_str_eq(found, name)) {
        return eg_record_corrupt();
    }
    *ret = e;
    return EG_OK;
}

eg_err eg_ns_entry_put(eg_kv_txn *t, const eg_account *a, const eg_id *parent, eg_str name, const eg_entry *entry) {
    uint8_t key[EG_KV_KEY_MAX];
    const eg_bytes k = {key, eg_ns_entry_key(parent, name, key)};
    eg_buf b;
    eg_record_start(&b, 1024);
    eg_record_u8(&b, (uint8_t)entry->kind);
    eg_record_bytes(&b, eg_id_bytes(&entry->child));
    eg_record_text(&b, name.len > EG_NS_NAME_IN_KEY ? eg_str_bytes(name) : (eg_bytes){NULL, 0});
    eg_err e = eg_record_seal(a, EG_ROW_ENTRY, k, &b);
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_ENTRY, k, eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

eg_err eg_ns_entry_del(eg_kv_txn *t, const eg_id *parent, eg_str name) {
    uint8_t key[EG_KV_KEY_MAX];
    return eg_kv_del(t, EG_DB_FS_ENTRY, (eg_bytes){key, eg_ns_entry_key(parent, name, key)});
}

eg_err eg_ns_empty(eg_kv_txn *t, const eg_id *directory, bool *ret) {
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_ENTRY, eg_id_bytes(directory), &c));
    eg_bytes key;
    eg_bytes value;
    const eg_err e = eg_kv_cursor_next(c, &key, &value);
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        return e;
    }
    *ret = e == EG_ERR_NOT_FOUND || key.len < sizeof directory->b || memcmp(key.ptr, directory->b, sizeof directory->b) != 0;
    return EG_OK;
}

eg_err eg_ns_path_check(eg_str path, eg_problem *p) {
    if (path.len > EG_PATH_MAX) {
        return eg_fail(p, EG_ERR_PATH_INVALID, "A path has at most %d bytes.", EG_PATH_MAX);
    }
    if (path.len == 0) {
        return EG_OK;
    }
    if (!eg_utf8_valid(path) || memchr(path.ptr, 0, path.len)) {
        return eg_fail(p, EG_ERR_PATH_INVALID, "The path is not valid UTF-8.");
    }
    size_t depth = 0;
    for (eg_str rest = path; rest.ptr; depth++) {
        const eg_str name = eg_str_cut(&rest, '/');
        if (name.len == 0 || eg_str_is(name, ".") || eg_str_is(name, "..")) {
            return eg_fail(p, EG_ERR_PATH_INVALID, "A path has no empty, \".\" or \"..\" segments.");
        }
        if (name.len > EG_NAME_MAX || depth >= EG_PATH_DEPTH_MAX) {
            return eg_fail(p, EG_ERR_PATH_INVALID, "A segment of a path has at most %d bytes, and a path at most %d segments.",
                EG_NAME_MAX, EG_PATH_DEPTH_MAX);
        }
    }
    return EG_OK;
}

eg_err eg_ns_resolve(eg_kv_txn *t, const eg_account *a, eg_str container, eg_str path, eg_place *ret) {
    eg_place w = {0};
    EG_TRY(eg_ns_container_get(t, a, container, &w.container));
    w.parent = w.container.root;
    w.parent_exists = true;
    w.entry = (eg_entry){EG_KIND_DIRECTORY, w.container.root};
    w.exists = w.root = path.len == 0;
    eg_str rest = path;
    while (!w.root && rest.ptr) {
        const eg_str here = rest;
        w.name = eg_str_cut(&rest, '/');
        const eg_err e = eg_ns_entry_get(t, a, &w.parent, w.name, &w.entry);
        if (e == EG_ERR_NOT_FOUND) {
            w.missing = here;
            w.parent_exists = rest.ptr == NULL;
            break;
        }
        EG_TRY(e);
        if (!rest.ptr) {
            w.exists = true;
        } else if (w.entry.kind != EG_KIND_DIRECTORY) {
            w.blocked = true;
            w.parent_exists = false;
            break;
        } else {
            w.parent = w.entry.child;
        }
    }
    *ret = w;
    return EG_OK;
}

eg_err eg_ns_orphan_put(eg_kv_txn *t, const eg_account *a, eg_orphan_kind kind, const eg_id *id) {
    uint8_t key[1 + sizeof id->b];
    key[0] = (uint8_t)kind;
    memcpy(key + 1, id->b, sizeof id->b);
    const eg_bytes k = {key, sizeof key};
    eg_buf b;
    eg_record_start(&b, 256);
    eg_record_text(&b, eg_str_bytes(eg_str_of(a->name)));
    eg_err e = eg_record_seal(a, EG_ROW_ORPHAN, k, &b);
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_ORPHAN, k, eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}
