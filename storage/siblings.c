/* Names in order. Rows of names up to EG_NS_NAME_IN_KEY bytes are in order already. Longer names that share that many bytes are in the order
 * of their digests: such a group is read as a whole, and the smallest of it that are still to come are kept in a window. */
#include "siblings.h"

#include <stdlib.h>

#define WINDOW 256
#define LONG_KEY_LEN (16 + EG_NS_NAME_IN_KEY + 1 + EG_SHA256_LEN)

typedef struct kept {
    eg_str name;               /* borrowed from the transaction */
    eg_entry entry;
} kept;

struct eg_siblings {
    eg_kv_txn *t;
    const eg_account *account;
    eg_id directory;
    eg_kv_cursor *cursor;
    char above[EG_NAME_MAX + 2];
    size_t above_len;
    bool inclusive;
    bool have;                 /* name and entry are what it stands at */
    eg_str name;
    eg_entry entry;
    bool in_group;
    bool group_more;           /* the window is not all of the group */
    uint8_t group[16 + EG_NS_NAME_IN_KEY + 1];
    size_t at;
    size_t count;
    kept window[WINDOW];
};

eg_err eg_siblings_new(eg_kv_txn *t, const eg_account *a, eg_siblings **ret) {
    eg_siblings *s = calloc(1, sizeof *s);
    if (!s) {
        return EG_ERR_NO_MEMORY;
    }
    s->t = t;
    s->account = a;
    *ret = s;
    return EG_OK;
}

void eg_siblings_free(eg_siblings *s) {
    if (s) {
        eg_kv_cursor_close_p(&s->cursor);
        free(s);
    }
}

static int compare(eg_str a, eg_str b) {
    const size_t n = a.len < b.len ? a.len : b.len;
    const int c = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static bool passed(const eg_siblings *s, eg_str name) {
    const int c = compare(name, (eg_str){s->above, s->above_len});
    return c > 0 || (c == 0 && s->inclusive);
}

static eg_err open_at(eg_siblings *s, eg_bytes key) {
    eg_kv_cursor_close_p(&s->cursor);
    return eg_kv_cursor_open(s->t, EG_DB_FS_ENTRY, key, &s->cursor);
}

eg_err eg_siblings_seek(eg_siblings *s, const eg_id *directory, eg_str above, bool inclusive) {
    if (above.len > EG_NAME_MAX + 1) {
        return EG_ERR_INVALID;
    }
    uint8_t key[16 + EG_NS_NAME_IN_KEY];
    const size_t n = above.len < EG_NS_NAME_IN_KEY ? above.len : EG_NS_NAME_IN_KEY;
    s->directory = *directory;
    s->above_len = above.len;
    memcpy(s->above, above.len ? above.ptr : "", above.len);
    s->inclusive = inclusive;
    s->have = s->in_group = false;
    memcpy(key, directory->b, sizeof directory->b);
    memcpy(key + sizeof directory->b, s->above, n);
    return open_at(s, (eg_bytes){key, sizeof directory->b + n});
}

/* Puts a name into the window if it is among the smallest. */
static void keep(eg_siblings *s, eg_str name, const eg_entry *e) {
    size_t low = 0;
    size_t high = s->count;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (compare(s->window[mid].name, name) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (s->count == WINDOW) {
        s->group_more = true;
        if (low == WINDOW) {
            return;
        }
        s->count--;
    }
    memmove(&s->window[low + 1], &s->window[low], (s->count - low) * sizeof s->window[0]);
    s->window[low] = (kept){name, *e};
    s->count++;
}

/* Reads the group through, for the names above `above`. */
static eg_err fill_window(eg_siblings *s) {
    EG_TRY(open_at(s, (eg_bytes){s->group, sizeof s->group}));
    s->at = s->count = 0;
    s->group_more = false;
    for (;;) {
        eg_bytes k;
        eg_bytes v;
        const eg_err e = eg_kv_cursor_next(s->cursor, &k, &v);
        if (e == EG_ERR_NOT_FOUND || (e == EG_OK && (k.len != LONG_KEY_LEN || memcmp(k.ptr, s->group, sizeof s->group) != 0))) {
            return EG_OK;
        }
        EG_TRY(e);
        eg_str name;
        eg_entry entry;
        EG_TRY(eg_ns_entry_decode(s->account, &s->directory, k, v, &name, &entry));
        if (passed(s, name)) {
            keep(s, name, &entry);
        }
    }
}

/* To the first row behind the group. */
static eg_err leave_group(eg_siblings *s) {
    uint8_t key[sizeof s->group + EG_SHA256_LEN + 1];
    memset(key, 0xff, sizeof key);
    memcpy(key, s->group, sizeof s->group);
    s->in_group = false;
    return open_at(s, (eg_bytes){key, sizeof key});
}

static eg_err from_group(eg_siblings *s) {
    if (s->at == s->count && s->group_more) {
        const eg_str last = s->window[s->count - 1].name;
        memcpy(s->above, last.ptr, last.len);
        s->above_len = last.len;
        s->inclusive = false;
        EG_TRY(fill_window(s));
    }
    if (s->at == s->count) {
        return leave_group(s);
    }
    s->name = s->window[s->at].name;
    s->entry = s->window[s->at].entry;
    s->at++;
    s->have = true;
    return EG_OK;
}

static eg_err from_rows(eg_siblings *s) {
    eg_bytes k;
    eg_bytes v;
    eg_str name;
    eg_entry entry;
    EG_TRY(eg_kv_cursor_next(s->cursor, &k, &v));
    EG_TRY(eg_ns_entry_decode(s->account, &s->directory, k, v, &name, &entry));
    if (name.len > EG_NS_NAME_IN_KEY) {
        if (k.len != LONG_KEY_LEN || name.len > EG_NAME_MAX) {
            return eg_record_corrupt();
        }
        memcpy(s->group, k.ptr, sizeof s->group);
        s->in_group = true;
        return fill_window(s);
    }
    s->name = name;
    s->entry = entry;
    s->have = passed(s, name);
    return EG_OK;
}

eg_err eg_siblings_peek(eg_siblings *s, eg_str *ret_name, eg_entry *ret) {
    while (!s->have) {
        EG_TRY(s->in_group ? from_group(s) : from_rows(s));
    }
    *ret_name = s->name;
    *ret = s->entry;
    return EG_OK;
}

void eg_siblings_next(eg_siblings *s) { s->have = false; }
