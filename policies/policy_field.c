/* Strict access to the members of a policy file's JSON, so that every refusal names file and field. */
#include "policy_model.h"

#include <stdarg.h>
#include <stdio.h>

static void path_of(const eg_policy_at *at, char *ret, size_t cap, size_t *len) {
    if (at->up) {
        path_of(at->up, ret, cap, len);
    }
    if (*len >= cap) {
        return;
    }
    int n;
    if (!at->name) {
        n = snprintf(ret + *len, cap - *len, "[%zu]", at->index);
    } else if (!at->up) {
        n = snprintf(ret + *len, cap - *len, "%s: ", at->name);
    } else {
        bool first = at->up->name && !at->up->up; /* directly beneath the file */
        n = snprintf(ret + *len, cap - *len, "%s%s", first ? "" : ".", at->name);
    }
    *len += n > 0 ? (size_t)n : 0;
}

eg_err eg_policy_refuse(const eg_policy_at *at, eg_problem *p, const char *fmt, ...) {
    eg_problem unused;
    eg_problem *to = p ? p : &unused;
    char message[sizeof to->message];
    char where[sizeof to->where] = "";
    size_t len = 0;
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    path_of(at, where, sizeof where, &len);
    eg_fail(to, EG_ERR_POLICY_INVALID, "%s", message);
    return eg_fail_at(to, "%s", where);
}

static bool is_empty(const json_t *v) {
    return json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

static const eg_policy_field *find(const eg_policy_field *table, const char *name) {
    for (const eg_policy_field *f = table; f->name; f++) {
        if (strcmp(f->name, name) == 0) {
            return f;
        }
    }
    return NULL;
}

eg_err eg_policy_fields(const eg_policy_at *at, const json_t *v, const eg_policy_field *table, eg_problem *p) {
    if (!json_is_object(v)) {
        return eg_policy_refuse(at, p, "An object is expected here.");
    }
    const char *name;
    json_t *member;
    /* The iterator is jansson's and only reads, but takes a pointer that isn't const. */
    json_object_foreach((json_t *)(uintptr_t)v, name, member) {
        eg_policy_at here = {.up = at, .name = name};
        const eg_policy_field *f = find(table, name);
        if (!f) {
            return eg_policy_refuse(&here, p, "This field is not one of Azure's here.");
        }
        if (f->use == EG_FIELD_EMPTY && !is_empty(member)) {
            return eg_policy_refuse(&here, p, "This field would change decisions and is not supported; leaving it unheard would be unsafe.");
        }
    }
    return EG_OK;
}

eg_err eg_policy_text(const eg_policy_at *at, const json_t *obj, const char *name, int bound, eg_str *ret, eg_problem *p) {
    eg_policy_at here = {.up = at, .name = name};
    const json_t *v = json_object_get(obj, name);
    bool required = bound > 0;
    size_t max = (size_t)(required ? bound : -bound);
    if (!v || json_is_null(v)) {
        if (required) {
            return eg_policy_refuse(&here, p, "This field is missing.");
        }
        *ret = (eg_str){NULL, 0};
        return EG_OK;
    }
    if (!json_is_string(v) || json_string_length(v) == 0 || json_string_length(v) > max) {
        return eg_policy_refuse(&here, p, "A text of 1 to %zu bytes is expected here.", max);
    }
    *ret = (eg_str){json_string_value(v), json_string_length(v)};
    return EG_OK;
}

eg_err eg_policy_list(const eg_policy_at *at, const json_t *obj, const char *name, size_t max, json_t **ret, eg_problem *p) {
    eg_policy_at here = {.up = at, .name = name};
    json_t *v = json_object_get(obj, name);
    if (!v || json_is_null(v)) {
        *ret = NULL;
        return EG_OK;
    }
    if (!json_is_array(v) || json_array_size(v) > max) {
        return eg_policy_refuse(&here, p, "A list of at most %zu values is expected here.", max);
    }
    *ret = v;
    return EG_OK;
}

/* 1 + the value of a hexadecimal digit. */
static const uint8_t hex_digits[256] = {
    ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
    ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* In the path of every decision, once for each group: a table and no branch for each digit. */
eg_err eg_policy_guid_parse(eg_str s, eg_policy_guid *ret) {
    static const uint8_t digits[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};
    if (s.len != 36 || s.ptr[8] != '-' || s.ptr[13] != '-' || s.ptr[18] != '-' || s.ptr[23] != '-') {
        return EG_ERR_INVALID;
    }
    eg_policy_guid out;
    bool bad = false;
    for (size_t i = 0; i < sizeof digits; i++) {
        const unsigned high = hex_digits[(uint8_t)s.ptr[digits[i]]], low = hex_digits[(uint8_t)s.ptr[digits[i] + 1]];
        bad |= high == 0 || low == 0;
        out.b[i] = (uint8_t)((high - 1) << 4 | ((low - 1) & 15));
    }
    if (bad) {
        return EG_ERR_INVALID;
    }
    *ret = out;
    return EG_OK;
}

int eg_policy_guid_order(const eg_policy_guid *a, const eg_policy_guid *b) {
    return memcmp(a->b, b->b, sizeof a->b);
}

static unsigned char lower(char c) {
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

int eg_policy_id_order(eg_str a, eg_str b) {
    if (eg_str_eq(a, b)) { /* mostly both are written alike */
        return 0;
    }
    size_t n = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < n; i++) {
        unsigned char x = lower(a.ptr[i]), y = lower(b.ptr[i]);
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}
