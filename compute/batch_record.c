/* The bytes of a stored batch, and the sealing of what people wrote in it. */
#include "batch_record.h"

#include <stdio.h>
#include <stdlib.h>

#define VERSION 1
#define HEAD_MAX ((size_t)64 << 10)

static const char *const state_names[EG_BATCH_STATE_COUNT] = {
    [EG_BATCH_NONE] = "error",   [EG_BATCH_STARTING] = "starting", [EG_BATCH_RUNNING] = "running",
    [EG_BATCH_SUCCESS] = "success", [EG_BATCH_DEAD] = "dead",         [EG_BATCH_KILLED] = "killed",
};

const char *eg_batch_state_name(eg_batch_state s) {
    return (unsigned)s < EG_BATCH_STATE_COUNT ? state_names[s] : state_names[EG_BATCH_NONE];
}

void eg_batch_init(eg_batch *b) {
    memset(b, 0, sizeof *b);
    eg_buf_init(&b->who, 4096);
    eg_buf_init(&b->request, EG_BATCH_RECORD_MAX);
}

void eg_batch_done(eg_batch *b) {
    free(b->groups);
    b->groups = NULL;
    b->group_count = 0;
    eg_buf_done(&b->who);
    eg_buf_done(&b->request);
}

void eg_batch_purpose(const eg_batch *b, char ret[128]) {
    snprintf(ret, 128, "batch:%s/%u", b->cluster, b->id);
}

void eg_batch_job(const eg_batch *b, char ret[80]) {
    snprintf(ret, 80, "%s/%u", b->cluster, b->id);
}

static json_t *head_json(const eg_batch *b) {
    json_t *groups = json_array();
    for (size_t i = 0; i < b->group_count; i++) {
        json_array_append_new(groups, json_string(b->groups[i]));
    }
    return json_pack("{s:s,s:s,s:s,s:i,s:o,s:b,s:s,s:b,s:I,s:I,s:I,s:s,s:s,s:i,s:i,s:s,s:[i,i,i,i],s:[I,I,I,I],s:I}",
                     "name", b->name, "tenant", b->tenant, "owner", b->owner, "ownerKind", (int)b->owner_kind, "groups", groups, "groupsUnknown",
                     (int)b->groups_unknown,
                     "state", eg_batch_state_name(b->state), "deleted", b->deleted,
                     "created", (json_int_t)b->created_ns, "started", (json_int_t)b->started_ns, "ended", (json_int_t)b->ended_ns,
                     "appId", b->app_id, "credential", b->credential, "exitCode", b->exit_code, "exitSignal", b->exit_signal, "why", b->why,
                     "shape", (int)b->shape.driver_mib, (int)b->shape.executors, (int)b->shape.executor_cores, (int)b->shape.executor_mib,
                     "usage", (json_int_t)b->usage.core_ms, (json_int_t)b->usage.memory_mib_ms, (json_int_t)b->usage.bytes_read,
                     (json_int_t)b->usage.bytes_written, "generation", (json_int_t)b->generation);
}

/* u8 version, then three fields of u32 length and bytes (head JSON, wrapped key, who), then the sealed request to the end. */
eg_err eg_batch_record_encode(const eg_batch *b, eg_buf *ret) {
    EG_JSON_AUTO head = head_json(b);
    if (!head) {
        return EG_ERR_NO_MEMORY;
    }
    eg_buf text;
    eg_buf_init(&text, HEAD_MAX);
    eg_err e = eg_json_write(head, &text);
    const eg_bytes fields[3] = {eg_buf_bytes(&text), {b->wrapped, b->wrapped_len}, eg_buf_bytes(&b->who)};
    uint8_t version = VERSION;
    eg_buf_add(ret, &version, 1);
    for (int i = 0; i < 3; i++) {
        uint8_t len[4];
        eg_put_u32(len, (uint32_t)fields[i].len);
        eg_buf_add(ret, len, sizeof len);
        eg_buf_add(ret, fields[i].ptr, fields[i].len);
    }
    eg_buf_add(ret, b->request.ptr, b->request.len);
    eg_buf_done(&text);
    return e != EG_OK ? e : ret->err;
}

static eg_err take(eg_bytes *rest, size_t max, eg_bytes *ret) {
    if (rest->len < 4 || eg_get_u32(rest->ptr) > rest->len - 4 || eg_get_u32(rest->ptr) > max) {
        return EG_ERR_CORRUPT;
    }
    *ret = (eg_bytes){rest->ptr + 4, eg_get_u32(rest->ptr)};
    rest->ptr += 4 + ret->len;
    rest->len -= 4 + ret->len;
    return EG_OK;
}

/* A text that doesn't fit was not written by us; cut short it would be another text. */
static eg_err copy_str(eg_str s, char *ret, size_t cap) {
    if (s.len >= cap) {
        return EG_ERR_CORRUPT;
    }
    snprintf(ret, cap, "%.*s", EG_FMT(s));
    return EG_OK;
}

static eg_err copy_text(const json_t *o, const char *name, char *ret, size_t cap) {
    return copy_str(eg_json_str(o, name), ret, cap);
}

static int64_t number(const json_t *o, const char *name) {
    return json_integer_value(json_object_get(o, name));
}

static eg_err read_groups(const json_t *groups, eg_batch *ret) {
    size_t n = json_array_size(groups);
    if (n > EG_PRINCIPAL_GROUPS_MAX) {
        return EG_ERR_CORRUPT;
    }
    ret->groups = n ? calloc(n, sizeof *ret->groups) : NULL;
    if (n && !ret->groups) {
        return EG_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        EG_TRY(copy_str(eg_str_of(json_string_value(json_array_get(groups, i))), ret->groups[i], EG_UUID_LEN));
    }
    ret->group_count = n;
    return EG_OK;
}

static eg_err read_head(const json_t *o, eg_batch *ret) {
    EG_TRY(copy_text(o, "name", ret->name, sizeof ret->name));
    EG_TRY(copy_text(o, "tenant", ret->tenant, sizeof ret->tenant));
    EG_TRY(copy_text(o, "owner", ret->owner, sizeof ret->owner));
    EG_TRY(copy_text(o, "appId", ret->app_id, sizeof ret->app_id));
    EG_TRY(copy_text(o, "credential", ret->credential, sizeof ret->credential));
    EG_TRY(copy_text(o, "why", ret->why, sizeof ret->why));
    ret->owner_kind = (eg_principal_kind)number(o, "ownerKind");
    ret->groups_unknown = json_is_true(json_object_get(o, "groupsUnknown")); /* earlier versions wrote none */
    ret->deleted = json_is_true(json_object_get(o, "deleted"));
    ret->created_ns = number(o, "created");
    ret->started_ns = number(o, "started");
    ret->ended_ns = number(o, "ended");
    ret->generation = (uint64_t)number(o, "generation"); /* 0: earlier versions wrote none */
    ret->exit_code = (int)number(o, "exitCode");
    ret->exit_signal = (int)number(o, "exitSignal");
    for (int s = EG_BATCH_STARTING; s < EG_BATCH_STATE_COUNT; s++) {
        if (eg_str_is(eg_json_str(o, "state"), state_names[s])) {
            ret->state = (eg_batch_state)s;
        }
    }
    const json_t *shape = json_object_get(o, "shape"), *usage = json_object_get(o, "usage");
    unsigned *const sizes[4] = {&ret->shape.driver_mib, &ret->shape.executors, &ret->shape.executor_cores, &ret->shape.executor_mib};
    uint64_t *const sums[4] = {&ret->usage.core_ms, &ret->usage.memory_mib_ms, &ret->usage.bytes_read, &ret->usage.bytes_written};
    for (size_t i = 0; i < 4; i++) {
        *sizes[i] = (unsigned)json_integer_value(json_array_get(shape, i));
        *sums[i] = (uint64_t)json_integer_value(json_array_get(usage, i));
    }
    bool kind_known = ret->owner_kind > EG_PRINCIPAL_NONE && ret->owner_kind <= EG_PRINCIPAL_JOB;
    if (ret->state == EG_BATCH_NONE || !kind_known || !ret->tenant[0] || !ret->owner[0]) {
        return EG_ERR_CORRUPT;
    }
    return read_groups(json_object_get(o, "groups"), ret);
}

/* Version and head are taken off *rest. */
static eg_err take_head(eg_bytes *rest, eg_bytes *ret) {
    if (rest->len < 1) {
        return EG_ERR_CORRUPT;
    }
    if (rest->ptr[0] != VERSION) {
        return EG_ERR_FORMAT_VERSION;
    }
    *rest = (eg_bytes){rest->ptr + 1, rest->len - 1};
    return take(rest, HEAD_MAX, ret);
}

/* A quote within a text has a backslash before it, and what writes the head puts no blanks: this is the member and nothing else. */
eg_err eg_batch_record_is_deleted(eg_bytes value, bool *ret) {
    static const char member[] = "\"deleted\":true";
    eg_bytes head;
    EG_TRY(take_head(&value, &head));
    *ret = memmem(head.ptr, head.len, member, sizeof member - 1) != NULL;
    return EG_OK;
}

eg_err eg_batch_record_decode(eg_str cluster, uint32_t id, eg_bytes value, bool with_request, eg_batch *ret) {
    eg_bytes rest = value, head, wrapped, who;
    if (cluster.len >= sizeof ret->cluster) {
        return EG_ERR_CORRUPT;
    }
    EG_TRY(take_head(&rest, &head));
    EG_TRY(take(&rest, EG_WRAPPED_KEY_MAX, &wrapped));
    EG_TRY(take(&rest, 4096, &who));
    EG_JSON_AUTO o = NULL;
    if (eg_json_parse(eg_bytes_str(head), HEAD_MAX, &o, NULL) != EG_OK || !json_is_object(o)) {
        return EG_ERR_CORRUPT;
    }
    eg_batch_done(ret);
    eg_batch_init(ret);
    memcpy(ret->cluster, cluster.ptr, cluster.len);
    ret->id = id;
    memcpy(ret->wrapped, wrapped.ptr, wrapped.len);
    ret->wrapped_len = wrapped.len;
    EG_TRY(read_head(o, ret));
    EG_TRY(eg_buf_add(&ret->who, who.ptr, who.len));
    return with_request ? eg_buf_add(&ret->request, rest.ptr, rest.len) : EG_OK;
}

static eg_err subkey(const eg_secret *data_key, const char *info, uint8_t ret[EG_KEY_LEN]) {
    return eg_hkdf_sha256(eg_secret_bytes(data_key), (eg_bytes){NULL, 0}, eg_str_bytes(eg_str_of(info)), ret, EG_KEY_LEN);
}

eg_err eg_batch_log_key(const eg_secret *data_key, uint8_t ret[EG_KEY_LEN]) {
    return subkey(data_key, "log", ret);
}

static void sealed_as(const eg_batch *b, const char *part, char ret[160]) {
    char purpose[128];
    eg_batch_purpose(b, purpose);
    snprintf(ret, 160, "%s:%s", purpose, part);
}

static eg_err seal_json(const eg_batch *b, const char *part, const uint8_t key[EG_KEY_LEN], const json_t *v, eg_buf *ret) {
    char ad[160];
    sealed_as(b, part, ad);
    eg_buf text;
    eg_buf_init(&text, EG_BATCH_RECORD_MAX);
    eg_err e = eg_json_write(v, &text);
    eg_buf_reset(ret);
    e = e != EG_OK ? e : eg_seal((eg_bytes){key, EG_KEY_LEN}, eg_str_bytes(eg_str_of(ad)), eg_buf_bytes(&text), ret);
    if (text.ptr) {
        eg_cleanse(text.ptr, text.len);
    }
    eg_buf_done(&text);
    return e;
}

eg_err eg_batch_seal(eg_batch *b, const eg_secret *data_key, const json_t *who, const json_t *request) {
    uint8_t key[EG_KEY_LEN];
    EG_TRY(subkey(data_key, "record", key));
    eg_err e = seal_json(b, "who", key, who, &b->who);
    e = e != EG_OK ? e : seal_json(b, "request", key, request, &b->request);
    eg_cleanse(key, sizeof key);
    return e;
}

static eg_err open_json(const eg_batch *b, const char *part, const eg_secret *data_key, const eg_buf *sealed, json_t **ret) {
    uint8_t key[EG_KEY_LEN];
    char ad[160];
    sealed_as(b, part, ad);
    EG_TRY(subkey(data_key, "record", key));
    eg_buf text;
    eg_buf_init(&text, EG_BATCH_RECORD_MAX);
    eg_err e = eg_open_sealed((eg_bytes){key, sizeof key}, eg_str_bytes(eg_str_of(ad)), eg_buf_bytes(sealed), &text);
    eg_cleanse(key, sizeof key);
    json_t *v = NULL;
    if (e == EG_OK && (eg_json_parse(eg_buf_str(&text), EG_BATCH_RECORD_MAX, &v, NULL) != EG_OK || !json_is_object(v))) {
        json_decref(v);
        e = EG_ERR_CORRUPT;
    }
    if (text.ptr) {
        eg_cleanse(text.ptr, text.len);
    }
    eg_buf_done(&text);
    if (e == EG_OK) {
        *ret = v;
    }
    return e;
}

eg_err eg_batch_open_who(const eg_batch *b, const eg_secret *data_key, json_t **ret) {
    return open_json(b, "who", data_key, &b->who, ret);
}

eg_err eg_batch_open_request(const eg_batch *b, const eg_secret *data_key, json_t **ret) {
    return open_json(b, "request", data_key, &b->request, ret);
}
