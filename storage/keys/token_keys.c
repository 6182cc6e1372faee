/* Token-signing keys by their moments. What a key may do follows from the file and the clock alone, so that a rotation is one write and no step can be left half done. */
#include "token_keys.h"

#include <embergate/clock.h>
#include <embergate/json.h>

#include <stdio.h>
#include <stdlib.h>

#define HEAD_LEN 6      /* magic, version, count */
#define ENTRY_LEN 10    /* from (i64), length of the PEM (u16) */
#define PEM_MAX 1024u

static const uint8_t magic[4] = {'E', 'G', 'T', 'K'};

typedef struct token_key {
    eg_secret *pem;
    eg_token_signer *signer;
    int64_t from_s;
} token_key;

struct eg_token_keys {
    size_t count;
    token_key keys[EG_TOKEN_KEYS_MAX];
};

void eg_token_keys_free(eg_token_keys *k) {
    for (size_t i = 0; k && i < k->count; i++) {
        eg_secret_free(k->keys[i].pem);
        eg_token_signer_free(k->keys[i].signer);
    }
    free(k);
}

/* Takes neither. */
static eg_err add(eg_token_keys *k, eg_bytes pem, int64_t from_s) {
    if (k->count == EG_TOKEN_KEYS_MAX) {
        return EG_ERR_LIMIT;
    }
    token_key *to = &k->keys[k->count];
    EG_CLEANUP(eg_secret_free_p) eg_secret *copy = eg_secret_new(pem.ptr, pem.len);
    if (!copy) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(eg_token_signer_new(copy, &to->signer));
    to->pem = copy;
    to->from_s = from_s;
    copy = NULL;
    k->count++;
    return EG_OK;
}

static eg_err read_list(eg_bytes b, eg_token_keys *k) {
    const size_t count = b.ptr[5];
    eg_bytes rest = {b.ptr + HEAD_LEN, b.len - HEAD_LEN};
    if (b.ptr[4] != 1) {
        return EG_ERR_FORMAT_VERSION;
    }
    for (size_t i = 0; i < count; i++) {
        const size_t n = rest.len >= ENTRY_LEN ? (size_t)rest.ptr[8] << 8 | rest.ptr[9] : 0;
        if (n == 0 || n > PEM_MAX || n > rest.len - ENTRY_LEN) {
            return EG_ERR_CORRUPT;
        }
        const int64_t from_s = (int64_t)eg_get_u64(rest.ptr);
        if (from_s < 0 || (i > 0 && from_s < k->keys[i - 1].from_s)) {
            return EG_ERR_CORRUPT;
        }
        const eg_err e = add(k, (eg_bytes){rest.ptr + ENTRY_LEN, n}, from_s);
        EG_TRY(e == EG_ERR_LIMIT ? EG_ERR_CORRUPT : e);
        rest = (eg_bytes){rest.ptr + ENTRY_LEN + n, rest.len - ENTRY_LEN - n};
    }
    return k->count > 0 && rest.len == 0 ? EG_OK : EG_ERR_CORRUPT;
}

eg_err eg_token_keys_read(const eg_secret *plain, eg_token_keys **ret) {
    const eg_bytes b = eg_secret_bytes(plain);
    EG_CLEANUP(eg_token_keys_free_p) eg_token_keys *k = calloc(1, sizeof *k);
    if (!k) {
        return EG_ERR_NO_MEMORY;
    }
    const bool list = b.len >= HEAD_LEN && memcmp(b.ptr, magic, sizeof magic) == 0;
    EG_TRY(list ? read_list(b, k) : add(k, b, 0));
    *ret = k;
    k = NULL;
    return EG_OK;
}

eg_err eg_token_keys_write(const eg_token_keys *k, eg_buf *ret) {
    const uint8_t head[2] = {1, (uint8_t)k->count};
    eg_buf_add(ret, magic, sizeof magic);
    eg_buf_add(ret, head, sizeof head);
    for (size_t i = 0; i < k->count; i++) {
        const eg_bytes pem = eg_secret_bytes(k->keys[i].pem);
        uint8_t entry[ENTRY_LEN];
        if (pem.len > PEM_MAX) {
            return EG_ERR_LIMIT;
        }
        eg_put_u64(entry, (uint64_t)k->keys[i].from_s);
        entry[8] = (uint8_t)(pem.len >> 8);
        entry[9] = (uint8_t)pem.len;
        eg_buf_add(ret, entry, sizeof entry);
        eg_buf_add(ret, pem.ptr, pem.len);
    }
    return ret->err;
}

/* The last whose moment has come; before all moments (a clock that was set back) the first. */
static size_t signing(const eg_token_keys *k, int64_t now_s) {
    size_t at = 0;
    for (size_t i = 1; i < k->count; i++) {
        at = k->keys[i].from_s <= now_s ? i : at;
    }
    return at;
}

const eg_token_signer *eg_token_keys_signing(const eg_token_keys *k, int64_t now_s) {
    return k->keys[signing(k, now_s)].signer;
}

/* 0 = for as long as it is the last. */
static int64_t until_of(const eg_token_keys *k, size_t i) {
    return i + 1 < k->count ? k->keys[i + 1].from_s + EG_TOKEN_KEY_AFTER_S : 0;
}

static bool is_over(const eg_token_keys *k, size_t i, int64_t now_s) {
    return until_of(k, i) != 0 && now_s >= until_of(k, i);
}

eg_err eg_token_keys_jwks(const eg_token_keys *k, int64_t now_s, eg_buf *ret) {
    bool first = true;
    eg_buf_adds(ret, "{\"keys\":[");
    for (size_t i = 0; i < k->count; i++) {
        if (!is_over(k, i, now_s)) {
            EG_TRY(first ? EG_OK : eg_buf_adds(ret, ","));
            EG_TRY(eg_token_signer_jwk(k->keys[i].signer, ret));
            first = false;
        }
    }
    return eg_buf_adds(ret, "]}");
}

static json_t *moment(int64_t s) {
    char text[EG_RFC3339_LEN];
    if (s <= 0 || s > INT64_MAX / 1000000000) {
        return json_null();
    }
    eg_time_rfc3339(s * 1000000000, text);
    return json_string(text);
}

eg_err eg_token_keys_json(const eg_token_keys *k, int64_t now_s, eg_buf *ret) {
    EG_JSON_AUTO v = json_pack("{s:[]}", "keys");
    for (size_t i = 0; v && i < k->count; i++) {
        json_t *one = json_pack("{s:s,s:s,s:o,s:o}", "kid", eg_token_signer_kid(k->keys[i].signer), "state",
                                is_over(k, i, now_s) ? "over" : i == signing(k, now_s) ? "signs" : k->keys[i].from_s > now_s ? "waits" : "verifies", "from",
                                moment(k->keys[i].from_s), "until", moment(until_of(k, i)));
        if (json_array_append_new(json_object_get(v, "keys"), one) != 0) {
            return EG_ERR_NO_MEMORY;
        }
    }
    return v ? eg_json_write(v, ret) : EG_ERR_NO_MEMORY;
}

eg_err eg_token_keys_rotate(const eg_token_keys *k, int64_t now_s, uint32_t delay_s, bool end_old, eg_token_keys **ret) {
    EG_CLEANUP(eg_token_keys_free_p) eg_token_keys *next = calloc(1, sizeof *next);
    EG_CLEANUP(eg_secret_free_p) eg_secret *pem = NULL;
    if (!next) {
        return EG_ERR_NO_MEMORY;
    }
    if (delay_s > EG_TOKEN_KEY_DELAY_MAX_S || now_s <= 0) {
        return EG_ERR_INVALID;
    }
    for (size_t i = 0; i < k->count && !end_old; i++) {
        if (k->keys[i].from_s > now_s) {
            return EG_ERR_EXISTS;
        }
        if (!is_over(k, i, now_s)) {
            EG_TRY(add(next, eg_secret_bytes(k->keys[i].pem), k->keys[i].from_s));
        }
    }
    EG_TRY(eg_token_signer_make_key(&pem));
    EG_TRY(add(next, eg_secret_bytes(pem), now_s + (end_old ? 0 : (int64_t)delay_s)));
    *ret = next;
    next = NULL;
    return EG_OK;
}
