/* Reads and writes the claim `act`: actors within actors, the one that acts now outermost. */
#include "act_claim.h"

#include <embergate/encoding.h>

#include <stdio.h>

#define TIME_MAX ((int64_t)1 << 40)

static bool copy_guid(eg_str s, char ret[EG_UUID_LEN]) {
    if (!eg_uuid_valid(s)) {
        return false;
    }
    memcpy(ret, s.ptr, s.len);
    ret[s.len] = '\0';
    return true;
}

/* As tokens' ids are kept (claims.c): a short text without control characters. */
static bool copy_id(eg_str s, char *ret, size_t size) {
    if (s.len == 0 || s.len >= size) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f) {
            return false;
        }
    }
    memcpy(ret, s.ptr, s.len);
    ret[s.len] = '\0';
    return true;
}

static eg_err read_one(const json_t *act, eg_actor *ret) {
    const json_t *since = json_object_get(act, "eg_since");
    eg_actor a = {.since_s = json_is_integer(since) ? json_integer_value(since) : -1};
    if (a.since_s < 0 || a.since_s >= TIME_MAX || !copy_guid(eg_json_str(act, "sub"), a.object_id) || !copy_guid(eg_json_str(act, "client_id"), a.app_id) ||
        !copy_id(eg_json_str(act, "eg_exchanged"), a.exchanged, sizeof a.exchanged)) {
        return EG_ERR_INVALID;
    }
    *ret = a;
    return EG_OK;
}

static void write_text(eg_acting *a) {
    size_t n = 0;
    for (size_t i = 0; i < a->count; i++) {
        n += (size_t)snprintf(a->text + n, sizeof a->text - n, "%s%s", i > 0 ? " " : "", a->actors[i].object_id);
    }
}

eg_err eg_act_claim_read(const json_t *act, eg_acting *ret) {
    eg_acting a = {0};
    for (; act; act = json_object_get(act, "act")) {
        if (!json_is_object(act) || a.count == EG_PRINCIPAL_ACTORS_MAX) {
            return EG_ERR_INVALID;
        }
        EG_TRY(read_one(act, &a.actors[a.count]));
        a.count++;
    }
    if (a.count == 0) {
        return EG_ERR_INVALID;
    }
    write_text(&a);
    *ret = a;
    return EG_OK;
}

json_t *eg_act_claim_make(const eg_acting *a) {
    json_t *inner = NULL;
    for (size_t i = a->count; i > 0; i--) {
        const eg_actor *one = &a->actors[i - 1];
        json_t *v = json_pack("{s:s,s:s,s:I,s:s,s:o*}", "sub", one->object_id, "client_id", one->app_id, "eg_since", (json_int_t)one->since_s, "eg_exchanged",
                              one->exchanged, "act", inner);
        if (!v) {
            return NULL; /* json_pack takes what it was given also when it fails */
        }
        inner = v;
    }
    return inner;
}

eg_err eg_act_claim_push(const eg_acting *before, const eg_actor *now, eg_acting *ret) {
    eg_acting a = {.count = 1, .actors = {*now}};
    if (before && before->count >= EG_PRINCIPAL_ACTORS_MAX) {
        return EG_ERR_LIMIT;
    }
    for (size_t i = 0; before && i < before->count; i++) {
        a.actors[a.count++] = before->actors[i];
    }
    write_text(&a);
    *ret = a;
    return EG_OK;
}
