/* Finds, compares and refuses single claims of a token. */
#include "claim_check.h"

#include <embergate/encoding.h>

#include <math.h>
#include <stdio.h>

#define TIME_MAX ((int64_t)1 << 40)

eg_str eg_claim(const eg_claim_check *c, const char *name) {
    return eg_json_str(c->claims, name);
}

const char *eg_claim_mapped(const char *name) {
    return name && name[0] != '\0' ? name : NULL;
}

const json_t *eg_claim_at(const json_t *claims, const char *path) {
    const json_t *whole = json_object_get(claims, path);
    eg_str rest = eg_str_of(path);
    for (const json_t *at = claims; !whole;) {
        const eg_str part = eg_str_cut(&rest, '.');
        char name[EG_CLAIM_TEXT_MAX];
        if (part.len == 0 || part.len >= sizeof name) {
            return NULL;
        }
        memcpy(name, part.ptr, part.len);
        name[part.len] = '\0';
        at = json_object_get(at, name);
        if (!at || !rest.ptr) {
            return at;
        }
    }
    return whole;
}

eg_err eg_claim_refuse(eg_problem *p, const char *name, const char *why) {
    return eg_fail(p, EG_ERR_TOKEN_CLAIM, "The token's claim \"%s\" %s.", name, why);
}

bool eg_claim_guid(eg_str s, char ret[EG_UUID_LEN]) {
    if (!eg_uuid_valid(s)) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        ret[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'F' ? (char)(s.ptr[i] - 'A' + 'a') : s.ptr[i];
    }
    ret[s.len] = '\0';
    return true;
}

static bool text_is(const json_t *v, eg_str wanted) {
    char number[32];
    if (json_is_string(v)) {
        return eg_str_eq((eg_str){json_string_value(v), json_string_length(v)}, wanted);
    }
    if (json_is_integer(v)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        return eg_str_is(wanted, number);
    }
    return json_is_boolean(v) && eg_str_is(wanted, json_is_true(v) ? "true" : "false");
}

bool eg_claim_holds(const json_t *v, eg_str wanted) {
    size_t i;
    const json_t *one;
    json_array_foreach(v, i, one) {
        if (text_is(one, wanted)) {
            return true;
        }
    }
    return text_is(v, wanted);
}

bool eg_claim_date(const json_t *v, int64_t *ret) {
    if (json_is_integer(v)) {
        *ret = json_integer_value(v);
    } else if (json_is_real(v) && isfinite(json_real_value(v)) && fabs(json_real_value(v)) < (double)TIME_MAX) {
        *ret = (int64_t)json_real_value(v);
    } else {
        return false;
    }
    return *ret >= 0 && *ret < TIME_MAX;
}
